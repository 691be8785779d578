import type { Request, RequestHandler } from 'express'
import { isSubject } from '../access-tokens/claims.js'
import { requireUserId } from '../access-tokens/user-id.js'
import { asCustomUserDataError, OptionError } from '../errors.js'
import type { CustomUserData } from '../instance.js'
import type { AuthenticatedUser } from '../types.js'
import { describeType } from '../util/describe-value.js'
import { isObject } from '../util/plain-object.js'
import { requireTestRun } from './refuse-production.js'
import { createTestUserData, findPutDocument } from './test-user-data.js'

/**
 * Returns an access token for a user, in one line. It calls `issueTokens()`, so it works with every instance that has keys,
 * and each token begins a session. The token lives for `accessTokenTtlSeconds`, 30 minutes by default.
 *
 * @param userData an instance of `createTestUserData()`, or one of `createCustomUserData()` over a real MongoDB
 * @throws the errors of `issueTokens()`; `testing_in_production` if `NODE_ENV` is `production`
 * @example
 * const token = await tokenFor(userData, 'alice')
 * await request(app).get('/me').set('Authorization', `Bearer ${token}`).expect(200)
 */
export async function tokenFor(
  userData: Pick<CustomUserData<unknown>, 'issueTokens'>,
  userId: string,
): Promise<string> {
  requireTestRun('tokenFor()')
  const { access_token: token } = await userData.issueTokens(userId)
  return token
}

/** The methods of an instance by which `asUser()` signs a user in. */
type SigningIn = Pick<CustomUserData<unknown>, 'issueTokens' | 'verifyToken' | 'attach' | 'invalidate'>

/**
 * Creates a middleware that signs in every request as one user. Mount it before the router that you test, in the place of
 * your guard. Then `req.user` has `id`, `customData` and `claims`, and all guards of the same instance let the user in:
 * `allow()`, `authenticate({ maxAgeMs })` and `attach({ maxAgeMs })`.
 *
 * The user gets an access token of the instance, which takes the place of the request's Authorization header. So guards that
 * read tokens by the function `tokenPlaces` do not see it: send them the token of {@link tokenFor}. When the token has
 * expired, the user gets a new one.
 *
 * @param userData the instance that made the guards of the router. Without it, handlers can only read `req.user`, because
 * guards refuse the users of other instances.
 * @param userId the user's id
 * @param customData the user's document, which takes the place of the one in `documents`. Only for an instance of
 * `createTestUserData()`. Without it the user keeps the document that the instance has.
 * @throws {OptionError} `invalid_option` if `userData` is no instance, or if it is not of `createTestUserData()` and
 * `customData` is given; TypeError if `userId` is no user id; `testing_in_production` if `NODE_ENV` is `production`
 * @example
 * const userData = createTestUserData()
 * const app = express()
 * app.use(asUser(userData, 'alice', { role: 'admin' }))
 * app.use('/orders', createOrdersRouter(userData))
 * @example
 * app.use(asUser('alice', { plan: 'pro' })) // for handlers that only read req.user
 */
export function asUser(userId: string, customData?: object): RequestHandler
export function asUser<CustomData extends object>(
  userData: CustomUserData<CustomData>,
  userId: string,
  customData?: Partial<CustomData>,
): RequestHandler
export function asUser(first: unknown, second?: unknown, third?: unknown): RequestHandler {
  requireTestRun('asUser()')
  const [userData, userId, customData] =
    typeof first === 'string' ? [createTestUserData(), first, second] : [first, second, third]
  requireInstance(userData)
  requireUserId('asUser()', userId, { isUserId: isSubject })
  if (customData !== undefined) putDocument(userData, userId, customData)
  return createSignIn(userData, userId)
}

function requireInstance(userData: unknown): asserts userData is SigningIn {
  if (isObject(userData) && 'issueTokens' in userData && 'attach' in userData) return
  throw new OptionError(
    `asUser(): the first argument is ${describeType(userData)}. Write an instance of createTestUserData(), or a user id.`,
  )
}

function putDocument(userData: object, userId: string, customData: unknown): void {
  const put = findPutDocument(userData)
  if (put) {
    put(userId, customData)
    return
  }
  throw new OptionError(
    'asUser(): the instance is not of createTestUserData(), or it is of another copy of this package, as after ' +
      'jest.resetModules(). The document of a user of createCustomUserData() is in MongoDB. Write it there: ' +
      'await userData.forUser(userId).replace(document, { upsert: true }).',
  )
}

/**
 * The token in the header is for guards that verify tokens. The claims and the attached data are for guards that look at
 * `req.user`: this instance recognises both.
 */
function createSignIn(userData: SigningIn, userId: string): RequestHandler {
  const attach = userData.attach()
  let current: Promise<string> | undefined

  /** All requests share one token, and so one snapshot. A failure is not kept. */
  function issue(): Promise<string> {
    const issued = tokenFor(userData, userId)
    issued.catch(() => {
      current = undefined
    })
    return issued
  }

  async function signIn(req: Request): Promise<void> {
    const before = (current ??= issue())
    let token = await before
    let user = await verifyUnlessExpired(userData, token)
    if (!user) {
      // Another request may have renewed the token meanwhile.
      if (current === before) current = undefined
      token = await (current ??= issue())
      user = await userData.verifyToken(token)
    }
    const { id, claims } = user
    req.headers.authorization = `Bearer ${token}`
    Object.assign(req, { user: { id, claims } })
  }

  return function signInAsUser(req, res, next) {
    signIn(req).then(() => {
      attach(req, res, next)
    }, next)
  }
}

/** The user of a token; `undefined` if it has expired by the clock of the instance. */
async function verifyUnlessExpired(
  userData: SigningIn,
  token: string,
): Promise<AuthenticatedUser<unknown> | undefined> {
  try {
    return await userData.verifyToken(token)
  } catch (error) {
    if (asCustomUserDataError(error)?.code !== 'invalid_token') throw error
    return undefined
  }
}
