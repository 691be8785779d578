import { randomBytes } from 'node:crypto'
import type { Document } from 'mongodb'
import { callAtOnce } from '../util/call-at-once.js'
import { QueueFullError } from '../util/concurrency-limit.js'
import { withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { openTeamDatabase, PLAIN_BSON } from '../mongo/team-database.js'
import type { CollectionLike } from '../mongo/collection-like.js'
import { parsePasswordCredentialsOptions } from '../options/logins.js'
import type { Scalar, VerifiedUser, VerifyCredentials } from './credentials.js'
import { isThrown } from '../util/thrown.js'
import { countAccount } from './current-attempt.js'
import { hashPassword, verifyPassword } from './argon2.js'
import { createHashUpgrade } from './hash-upgrade.js'
import { createPasswordText } from './password-text.js'
import type { PasswordTextOptions } from './password-text.js'

/** Where users and their password hashes are. */
export interface PasswordCredentialsOptions extends PasswordTextOptions {
  /** The users collection. */
  readonly collection: CollectionLike
  /** The field of the body and of the document that names the user, compared exactly. Default `email`. */
  readonly usernameField?: string
  /** The field of the document that holds the argon2id hash (a PHC string). Default `passwordHash`. */
  readonly hashField?: string
  /** Whether a user may not log in, as one that is disabled or locked. The answer is that of a wrong password, and comes
   *  after the same work. It must not be async: a promise is a 500 `callback_failed`. */
  readonly isRefused?: (user: Document) => boolean
  /** Whether a hash that is weaker than those of `hashPassword()` is replaced after a login with the right password, which
   *  is when it can be. Needs leave to write to the users collection. Default false: nothing is written. */
  readonly upgradeHashes?: boolean
  /** The user's id. Default: the document's `_id`, an ObjectId as its hex digits. It must not be async either. */
  readonly toUserId?: (user: Document) => string
}

/** Whatever the collection's own: with a collation of strength 2, `bob` would be Bob. */
const EXACT = { collation: { locale: 'simple' }, readPreference: 'primary' } as const
const MAX_USERNAME_LENGTH = 320
const MAX_PASSWORD_LENGTH = 1_024
/** How long a login waits for its hash. */
const HASH_TIMEOUT_MS = 5_000

/**
 * Creates a `verifyCredentials` over a users collection: `{ "email": "…", "password": "…" }`. An unknown user, a
 * wrong password and a user without a hash get the same answer after the same work.
 */
export function createPasswordCredentials(
  given: PasswordCredentialsOptions,
  timeoutMs: number,
  events: Events,
): VerifyCredentials {
  const options = parsePasswordCredentialsOptions(given)
  const {
    usernameField,
    hashField,
    upgradeHashes,
    toUserId = primaryKeyOf,
    isRefused = () => false,
  } = options
  const toText = createPasswordText(options)
  const database = openTeamDatabase(options.collection)
  // A real hash with the same parameters: verifying against anything else would answer sooner.
  const decoy = hashPassword(randomBytes(32).toString('base64url'))
  decoy.catch(() => undefined)
  const upgradeHash = createHashUpgrade({ database, hashField, timeoutMs, events })

  async function findUser(username: string): Promise<Document | undefined> {
    const found = await withDeadline(timeoutMs, async signal =>
      (await database.collection()).findOne(
        { [usernameField]: { $eq: username } },
        { ...PLAIN_BSON, ...EXACT, signal, maxTimeMS: timeoutMs },
      ),
    ).catch((cause: unknown) => {
      throw unavailable(cause)
    })
    // A list that contains the name matches too, but names nobody.
    return found?.[usernameField] === username ? found : undefined
  }

  /** The same work for every user: a wrong password's. */
  async function verifyDecoy(password: string, signal: AbortSignal): Promise<false> {
    return (await verifyPassword(await decoy, password, signal)) && false
  }

  async function isPasswordOf(
    user: Document | undefined,
    password: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const hash: unknown = user?.[hashField]
    if (typeof hash !== 'string') return verifyDecoy(password, signal)
    return verifyPassword(hash, password, signal).catch((error: unknown) => {
      if (isThrown(QueueFullError, error) || signal.aborted) throw error
      const message = `The "${hashField}" of a user is no argon2 hash. Store what "await hashPassword(password)" gives.`
      events.warn({ code: 'password_hash_unreadable', message })
      return verifyDecoy(password, signal)
    })
  }

  async function verify(body: Readonly<Record<string, Scalar>>): Promise<VerifiedUser | null> {
    const username = requireText(body, usernameField, MAX_USERNAME_LENGTH)
    const password = toText(requireText(body, 'password', MAX_PASSWORD_LENGTH))
    // Counts the account here, because a function of the team that calls this may not tell login() the account's name.
    const reportRight = await countAccount(username)
    const user = await findUser(username)
    const isRight = await withDeadline(HASH_TIMEOUT_MS, signal => isPasswordOf(user, password, signal)).catch(
      (cause: unknown) => {
        throw unavailable(cause)
      },
    )
    if (!isRight || !user || callAtOnce('passwordCredentials(): isRefused', () => isRefused(user)))
      return null
    reportRight()
    const id = callAtOnce('passwordCredentials(): toUserId', () => toUserId(user))
    // Not awaited: it is nothing that a login should wait for or fail with.
    if (upgradeHashes) void upgradeHash({ id, document: user }, password)
    return { id }
  }

  return Object.assign(verify, {
    account: (body: Readonly<Record<string, Scalar>>) =>
      requireText(body, usernameField, MAX_USERNAME_LENGTH),
  })
}

function requireText(body: Readonly<Record<string, Scalar>>, field: string, maxLength: number): string {
  const value = Object.hasOwn(body, field) ? body[field] : undefined
  if (typeof value === 'string' && value !== '' && value.length <= maxLength) return value
  const message = `"${field}" must be a text of 1 to ${maxLength} characters.`
  throw new CustomUserDataError('invalid_request', message)
}

function primaryKeyOf(user: Document): string {
  const id: unknown = user['_id']
  if (typeof id === 'string') return id
  if (isObjectId(id)) return id.toHexString()
  const message = 'passwordCredentials: _id is no text and no ObjectId; give it { toUserId: user => … }.'
  throw new CustomUserDataError('callback_failed', message)
}

function isObjectId(value: unknown): value is { toHexString(): string } {
  return typeof value === 'object' && value !== null && 'toHexString' in value
}

function unavailable(cause: unknown): CustomUserDataError {
  const message = 'The password could not be checked in time.'
  return (
    asCustomUserDataError(cause) ?? new CustomUserDataError('credentials_unavailable', message, { cause })
  )
}
