import { randomBytes } from 'node:crypto'
import type { Request } from 'express'
import type { Collection, Document } from 'mongodb'
import { callAtOnce } from '../util/call-at-once.js'
import { QueueFullError } from '../util/concurrency-limit.js'
import { DeadlineError, withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { toDatabaseError } from '../mongo/database-errors.js'
import type { Outage } from '../mongo/database-errors.js'
import { openTeamDatabase, PLAIN_BSON } from '../mongo/team-database.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import type { CollectionLike } from '../mongo/collection-like.js'
import { parsePasswordCredentialsOptions } from '../options/logins.js'
import { requireText } from './credentials.js'
import type { Scalar, VerifiedUser, VerifyCredentials } from './credentials.js'
import { isThrown } from '../util/thrown.js'
import { countAccount } from './current-attempt.js'
import { hashPassword, verifyPassword } from './argon2.js'
import { adviseOnHash, adviseOnMissingHash } from './hash-advice.js'
import { createHashUpgrade } from './hash-upgrade.js'
import { createPasswordText } from './password-text.js'
import type { PasswordTextOptions } from './password-text.js'

/** Options of `passwordCredentials()`: where users and their password hashes are stored. */
export interface PasswordCredentialsOptions extends PasswordTextOptions {
  /** The users collection. */
  readonly collection: CollectionLike
  /**
   * The field of the body and of the document that names the user. Names are compared exactly.
   * @default 'email'
   */
  readonly usernameField?: string
  /**
   * The field of the document that holds the argon2id hash (a PHC string), which `hashPassword()` makes.
   * @default 'passwordHash'
   */
  readonly hashField?: string
  /**
   * Whether the user may not log in, for example because the account is locked. The answer is the same as to a wrong
   * password, and takes as long. The function must not be async: a promise is a 500 `callback_failed`.
   * @default () => false
   * @example isRefused: user => user.locked === true
   */
  readonly isRefused?: (user: Document) => boolean
  /**
   * Whether a hash that is weaker than today's hashes of `hashPassword()` is replaced after a login with the right password.
   * The database user needs the right to update the users collection.
   * @default false
   */
  readonly upgradeHashes?: boolean
  /**
   * The user's id. The function must not be async.
   * @default the `_id` of the document, an ObjectId as its hex digits
   * @example toUserId: user => user.uuid
   */
  readonly toUserId?: (user: Document) => string
}

interface PasswordCredentialsParts {
  /** Milliseconds that a query may take. */
  readonly timeoutMs: number
  readonly events: Events
  /** Notes the rights that are needed on the users collection. */
  readonly noteRights: (users: () => Promise<Collection>, mayUpdate: boolean) => void
}

/** Names are compared exactly: with a collation of strength 2, `bob` could log in as Bob. */
const EXACT = { collation: { locale: 'simple' }, readPreference: 'primary' } as const
const MAX_USERNAME_LENGTH = 320
const MAX_PASSWORD_LENGTH = 1_024
/** Milliseconds that a login waits for its hash. */
const HASH_TIMEOUT_MS = 5_000

const UNAVAILABLE: Outage = {
  code: 'credentials_unavailable',
  message: 'The password could not be checked in time.',
}

type Body = Readonly<Record<string, Scalar>>

/** The `verifyCredentials` of `passwordCredentials()`. It needs no request, so `authenticateLogin()` takes it too. */
export type PasswordCredentials = VerifyCredentials<Body, Request | undefined>

/**
 * Creates a `verifyCredentials` over a users collection: `{ "email": "…", "password": "…" }`. An unknown user, a wrong
 * password and a user without a hash get the same answer after the same work.
 *
 * @throws {OptionError} for a wrong or unknown option
 */
export function createPasswordCredentials(
  given: PasswordCredentialsOptions,
  { timeoutMs, events, noteRights }: PasswordCredentialsParts,
): PasswordCredentials {
  const options = parsePasswordCredentialsOptions(given)
  const { usernameField, hashField, upgradeHashes, toUserId = primaryKeyOf } = options
  const isRefused = options.isRefused ?? (() => false)
  const toText = createPasswordText(options)
  const database = openTeamDatabase(options.collection)
  noteRights(() => database.collection(), upgradeHashes)
  const findUser = createUserFinder(database, usernameField, timeoutMs)
  const isPasswordOf = createPasswordCheck(hashField, events)
  const upgradeHash = createHashUpgrade({ database, hashField, timeoutMs, events })

  async function verify(body: Body): Promise<VerifiedUser | null> {
    const username = requireText(body, usernameField, MAX_USERNAME_LENGTH)
    const password = toText(requireText(body, 'password', MAX_PASSWORD_LENGTH))
    // Counts the account here, because a function of the team that calls this may not tell login() the account's name.
    const { isFromKnownAddress, reportRight } = await countAccount(username)
    const user = await findUser(username)
    const isRight = await isPasswordOf(user, password, isFromKnownAddress)
    if (!isRight || !user || callAtOnce('passwordCredentials(): isRefused', () => isRefused(user)))
      return null
    reportRight()
    const id = callAtOnce('passwordCredentials(): toUserId', () => toUserId(user))
    // Not awaited, because a login neither waits for a new hash nor fails with it.
    if (upgradeHashes) void upgradeHash({ id, document: user }, password)
    return { id }
  }

  return Object.assign(verify, {
    account: (body: Body) => requireText(body, usernameField, MAX_USERNAME_LENGTH),
  })
}

/** Finds the user with a name. Rejects with `credentials_unavailable` if MongoDB does not answer in time. */
function createUserFinder(database: TeamDatabase, usernameField: string, timeoutMs: number) {
  return async (username: string): Promise<Document | undefined> => {
    const found = await withDeadline(timeoutMs, async signal =>
      (await database.collection()).findOne(
        { [usernameField]: { $eq: username } },
        { ...PLAIN_BSON, ...EXACT, signal, maxTimeMS: timeoutMs },
      ),
    ).catch((cause: unknown) => {
      throw toDatabaseError(cause, UNAVAILABLE)
    })
    // A list that contains the name matches too, but names nobody.
    return found?.[usernameField] === username ? found : undefined
  }
}

/** Checks a password against the hash of a user. Also works for no user, and then takes as long and resolves to false. */
function createPasswordCheck(hashField: string, events: Events) {
  // A real hash with the same parameters, because any other text would be refused faster.
  const decoy = hashPassword(randomBytes(32).toString('base64url'))
  // verifyDecoy() awaits it later, and then reports a failure. Until then nobody would handle the rejection.
  decoy.catch(() => undefined)

  async function check(
    user: Document | undefined,
    password: string,
    signal: AbortSignal,
    isPreferred: boolean,
  ): Promise<boolean> {
    const verifyDecoy = async (): Promise<boolean> =>
      (await verifyPassword(await decoy, password, signal, isPreferred)) && false
    const hash: unknown = user?.[hashField]
    if (typeof hash !== 'string') {
      const message = user && adviseOnMissingHash(hashField, user)
      if (message !== undefined) events.warn({ code: 'password_hash_unreadable', message })
      return verifyDecoy()
    }
    return verifyPassword(hash, password, signal, isPreferred).catch((error: unknown) => {
      if (isThrown(QueueFullError, error) || asCustomUserDataError(error) || signal.aborted) throw error
      events.warn({ code: 'password_hash_unreadable', message: adviseOnHash(hashField, hash) })
      return verifyDecoy()
    })
  }

  return (user: Document | undefined, password: string, isPreferred: boolean): Promise<boolean> =>
    withDeadline(HASH_TIMEOUT_MS, signal => check(user, password, signal, isPreferred)).catch(
      (cause: unknown) => {
        throw toHashingError(cause)
      },
    )
}

function primaryKeyOf(user: Document): string {
  const id: unknown = user['_id']
  if (typeof id === 'string') return id
  if (isObjectId(id)) return id.toHexString()
  const message =
    'passwordCredentials(): the _id of a user is neither a text nor an ObjectId. Write { toUserId: user => … }.'
  throw new CustomUserDataError('callback_failed', message)
}

function isObjectId(value: unknown): value is { toHexString(): string } {
  return typeof value === 'object' && value !== null && 'toHexString' in value
}

/** A full queue and a deadline pass by themselves. Whatever else prevents hashing is a fault of the installation. */
function toHashingError(cause: unknown): CustomUserDataError {
  const { code, message } = UNAVAILABLE
  if (isThrown(QueueFullError, cause) || isThrown(DeadlineError, cause))
    return new CustomUserDataError(code, message, { cause })
  return (
    asCustomUserDataError(cause) ??
    new CustomUserDataError('password_hashing_failed', 'A password could not be hashed.', { cause })
  )
}
