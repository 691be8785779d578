import type { CustomUserData } from '../../index.js'
import { CustomUserDataError, refusalReason } from '../../index.js'
import { PROVIDER_TYPES } from '../users/stored-user.js'
import type { ProviderType, StoredUser } from '../users/stored-user.js'
import type { UserType } from '../users/user-object.js'
import type { UserStore } from '../users/user-store.js'
import { AppServicesError, toAppServicesError } from '../wire/errors.js'
import { invalidSession } from '../wire/loops.js'
import type { Call } from './routes.js'

/** The claims of a session that this entry point has begun. They keep sessions of other logins apart. */
export interface SessionMarks {
  readonly provider_type: ProviderType
  readonly user_type: UserType
}

/** The user of a request, by the access token. */
export interface Caller {
  readonly userId: string
  readonly sid: string
  readonly type: UserType
  /** The custom data as of the last refresh. */
  readonly customData: object
}

/** The session of a request, by the refresh token. */
export interface CallerSession {
  readonly userId: string
  readonly sid: string
  readonly refreshToken: string
  readonly providerType: ProviderType
  readonly type: UserType
}

/** A token that was issued so recently is never answered with `InvalidSession`, because a newer one would fare no better. */
const FRESH_SECONDS = 60
/** The most sessions that the instance lists. */
const MAX_LISTED = 1_000

type Instance = Pick<CustomUserData<object>, 'verifyToken' | 'sessionOf' | 'settings'>

/**
 * Finds the user of the access token of a request.
 *
 * @throws AppServicesError `InvalidSession`, after which the client refreshes its access token and repeats the request;
 * `AuthError` for a token that a refresh would not make better, because the client would repeat the request for ever
 */
export async function requireCaller({ req }: Call, userData: Instance, now: () => number): Promise<Caller> {
  const token = bearerOf(req.headers.authorization)
  if (token === undefined) throw invalidSession('there is no access token')
  const { id, customData, claims } = await userData.verifyToken(token).catch((error: unknown) => {
    throw toSessionError(error, token, now())
  })
  const { sid, iss } = claims
  const marks = marksOf(claims)
  // The app's own logins have sessions too, and a trusted issuer can put any claims into its tokens. Their clients do not
  // speak this protocol.
  if (typeof sid !== 'string' || !marks || iss !== userData.settings.issuer)
    throw new AppServicesError('AuthError', 'the access token belongs to another kind of login')
  return { userId: id, sid, type: marks.user_type, customData }
}

/**
 * Reads from MongoDB whether the session of a caller is alive. Another process may have ended it, and its access token works
 * for up to 30 minutes. A thief of the token must not use this time for a change that lasts.
 *
 * @throws AppServicesError `InvalidSession`
 */
export async function requireLiveSession(
  { userId, sid }: Caller,
  userData: Pick<CustomUserData<object>, 'sessions'>,
): Promise<void> {
  const sessions = await userData.sessions(userId)
  const isListed = sessions.some(session => session.sid === sid)
  if (!isListed && sessions.length < MAX_LISTED) throw invalidSession('the session has ended')
}

/** The error of a call whose user does not exist any more. The refresh of the client fails for the same reason. */
export function userIsGone(): AppServicesError {
  return invalidSession('the user does not exist any more')
}

/**
 * Finds the user of a caller or a session.
 * @throws AppServicesError `InvalidSession` for a user who does not exist any more
 */
export async function requireUser(users: Pick<UserStore, 'findById'>, userId: string): Promise<StoredUser> {
  const user = await users.findById(userId)
  if (!user) throw userIsGone()
  return user
}

/**
 * The error of an operation on a session. If the session has ended, it is `InvalidSession`.
 */
export function toSessionEnd(error: unknown): AppServicesError {
  const ours = toAppServicesError(error)
  const hasEnded = error instanceof CustomUserDataError && ENDED.includes(error.code)
  return hasEnded ? invalidSession('the session has ended', error) : ours
}

/** The codes of errors about a session that has ended. */
const ENDED: readonly string[] = ['invalid_grant', 'session_not_found']

/**
 * Finds the session of the refresh token of a request.
 * @throws AppServicesError `InvalidSession`, after which the client forgets its tokens
 */
export async function requireSession(call: Call, userData: Instance): Promise<CallerSession> {
  const session = await findSession(call, userData)
  if (!session) throw invalidSession('the refresh token is not valid')
  return session
}

/** The session of the refresh token of a request; `undefined` if it has ended or never was. */
export async function findSession({ req }: Call, userData: Instance): Promise<CallerSession | undefined> {
  const refreshToken = bearerOf(req.headers.authorization)
  if (refreshToken === undefined) return undefined
  const session = await userData.sessionOf(refreshToken).catch((error: unknown) => {
    throw toAppServicesError(error)
  })
  if (!session) return undefined
  const { userId, sid, claims } = session
  const marks = marksOf(claims)
  return marks && { userId, sid, refreshToken, type: marks.user_type, providerType: marks.provider_type }
}

/** A logged-out client sends `Bearer null`. */
function bearerOf(header: string | undefined): string | undefined {
  const token = /^Bearer +([\w.~+/=-]+)$/i.exec(header ?? '')?.[1]
  return token === 'null' || token === 'undefined' ? undefined : token
}

/** The marks among the claims of a session; `undefined` for a session that another login has begun. */
function marksOf(claims: object): SessionMarks | undefined {
  const { provider_type, user_type } = claims as { readonly [Name in keyof SessionMarks]?: unknown }
  const isType = user_type === 'normal' || user_type === 'server'
  const provider = PROVIDER_TYPES.find(type => type === provider_type)
  return isType && provider ? { provider_type: provider, user_type } : undefined
}

function toSessionError(error: unknown, token: string, nowMs: number): AppServicesError {
  const isRefused = error instanceof CustomUserDataError && error.status === 401
  if (!isRefused) return toAppServicesError(error)
  const reason = refusalReason(error)
  if (reason === 'expired') return invalidSession('access token expired')
  // The refresh of an ended session fails, so the client stops after one round.
  if (reason === 'revoked' || reason === 'disabled') return invalidSession('the session has ended')
  if (issuedSecondsAgo(token, nowMs) < FRESH_SECONDS)
    return new AppServicesError('AuthError', 'the access token is not valid', { cause: error })
  return invalidSession('the access token is not valid', error)
}

/** How long ago a token says that it was issued. It is not verified, and only decides which error the client gets. */
function issuedSecondsAgo(token: string, nowMs: number): number {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
    const { iat } = Object(payload) as { readonly iat?: unknown }
    return typeof iat === 'number' ? nowMs / 1000 - iat : Infinity
  } catch {
    return Infinity
  }
}
