import type { Request } from 'express'
import type { Collection } from 'mongodb'
import { callAtOnce } from '../util/call-at-once.js'
import { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { openTeamDatabase } from '../mongo/team-database.js'
import type { CollectionLike } from '../mongo/collection-like.js'
import { parsePasswordCredentialsOptions } from '../options/logins.js'
import { requireText } from './credentials.js'
import type { Scalar, VerifiedUser, VerifyCredentials } from './credentials.js'
import { countAccount } from './current-attempt.js'
import { provesWhole } from './hash-kinds.js'
import { createHashUpgrade } from './hash-upgrade.js'
import { createPasswordCheck } from './password-check.js'
import type { VerifyPassword } from './password-check.js'
import { createPasswordText } from './password-text.js'
import type { PasswordTextOptions } from './password-text.js'
import { createUserFinder, normalizeUsername } from './user-finder.js'
import type { SentName } from './user-finder.js'

/**
 * The document of a user as MongoDB stores it. Its values are `unknown`, so that the compiler refuses `user => user.lockd`, which
 * would let locked users in.
 */
type StoredUser = Readonly<Record<string, unknown>>

/** Options of `passwordCredentials()`, whatever the kind of the hashes. */
interface StoredPasswordOptions extends PasswordTextOptions {
  /** The users collection. */
  readonly collection: CollectionLike
  /**
   * The field of the body and of the document that names the user. Names are compared exactly.
   * @default 'email'
   */
  readonly usernameField?: string | undefined
  /**
   * Whether the name is trimmed and lower-cased before the user is searched, as `trim` and `lowercase` of mongoose store it. If
   * no user has this name, the user whose stored name is exactly the name as it was sent is used. `ready()` warns if a stored
   * name has capital letters or spaces around it (`username_not_normalized`), or if it cannot look (`usernames_not_checked`).
   * @default false
   */
  readonly normalizeUsername?: boolean | undefined
  /**
   * The field of the document that holds the hash: an argon2id hash (a PHC string), as `hashPassword()` makes it, or a hash that
   * `verifyPassword` verifies.
   * @default 'passwordHash'
   */
  readonly hashField?: string | undefined
  /**
   * Whether the user may not log in, for example because the account is locked. The answer is the same as to a wrong
   * password, and takes as long. The function must not be async: a promise is a 500 `callback_failed`.
   * @default () => false
   * @example isRefused: user => user.locked === true
   */
  readonly isRefused?: ((user: StoredUser) => boolean) | undefined
  /**
   * Whether a hash that is weaker than today's hashes of `hashPassword()`, or of another kind than argon2, is replaced after a
   * login with the right password. A bcrypt hash of a password of 72 bytes or more stays, because bcrypt did not verify the
   * end of the password. The database user needs the right to update the users collection.
   * @default false
   */
  readonly upgradeHashes?: boolean | undefined
  /**
   * The user's id. The function must not be async.
   * @default the `_id` of the document, an ObjectId as its hex digits
   * @example toUserId: user => String(user.uuid)
   */
  readonly toUserId?: ((user: StoredUser) => string) | undefined
}

/** Options for hashes of argon2 alone, which this package verifies itself. */
interface Argon2Options extends StoredPasswordOptions {
  /** Not given: a hash of another kind is refused, with the warning `password_hash_unreadable`. */
  readonly verifyPassword?: undefined
  /** Not given: argon2 hashes have a decoy of their own. */
  readonly decoyHash?: undefined
}

/** Options for hashes of other kinds too, such as those of bcrypt. */
interface OtherHashOptions extends StoredPasswordOptions {
  /**
   * Verifies the hashes that do not begin with `$argon2`. It is called with the password exactly as it was received, also with
   * `unicodeNormalization`, and with the stored text. It returns `true` or `false`, or a promise of one. An error that it throws
   * is a 500 `callback_failed`. bcrypt ignores what follows the first 72 bytes of a password.
   * @example
   * passwordCredentials({ collection: users, verifyPassword: bcrypt.compare, decoyHash: '$2b$10$…', upgradeHashes: true })
   */
  readonly verifyPassword: VerifyPassword
  /**
   * A hash of a random text, of the kind and with the cost that the hashes of most users have. Logins of unknown users and of
   * users without a hash are checked against it, so that response times do not reveal which users exist. No password matches it.
   * A text that surely is no hash is refused: a bcrypt or argon2 hash that is damaged or has an impossible cost, a text of fewer
   * than 13 characters, or a text with white space. Any other text may be of a kind that only `verifyPassword` knows.
   * @example 'the output of: node -p "require(\'bcryptjs\').hashSync(crypto.randomUUID(), 10)"'
   */
  readonly decoyHash: string
}

/**
 * Options of `passwordCredentials()`: where users and their password hashes are stored. `verifyPassword` and `decoyHash` are
 * given together.
 */
export type PasswordCredentialsOptions = Argon2Options | OtherHashOptions

/** Complete options of `passwordCredentials()`. */
export interface PasswordCredentialsConfig {
  readonly collection: CollectionLike
  readonly usernameField: string
  readonly normalizeUsername: boolean
  readonly hashField: string
  readonly verifyPassword: VerifyPassword | undefined
  readonly decoyHash: string | undefined
  readonly isRefused: ((user: StoredUser) => unknown) | undefined
  readonly upgradeHashes: boolean
  readonly toUserId: ((user: StoredUser) => string) | undefined
  readonly unicodeNormalization: 'NFKC' | 'NFKD' | undefined
}

interface PasswordCredentialsParts {
  /** Milliseconds that a query may take. */
  readonly timeoutMs: number
  readonly events: Events
  /** Notes the users collection for the checks of `ready()`. */
  readonly noteUsers: (users: () => Promise<Collection>, options: PasswordCredentialsConfig) => void
}

const MAX_USERNAME_LENGTH = 320
const MAX_PASSWORD_LENGTH = 1_024

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
  { timeoutMs, events, noteUsers }: PasswordCredentialsParts,
): PasswordCredentials {
  const options = parsePasswordCredentialsOptions(given)
  const { usernameField, hashField, upgradeHashes, toUserId = primaryKeyOf } = options
  const isRefused = options.isRefused ?? (() => false)
  const toText = createPasswordText(options)
  const toName = createNameReader(options)
  const database = openTeamDatabase(options.collection)
  noteUsers(() => database.collection(), options)
  const findUser = createUserFinder(database, usernameField, timeoutMs)
  const isPasswordOf = createPasswordCheck(options, events)
  const upgradeHash = createHashUpgrade({ database, hashField, timeoutMs, events })

  async function verify(body: Body): Promise<VerifiedUser | null> {
    const name = toName(body)
    const raw = requireText(body, 'password', MAX_PASSWORD_LENGTH)
    const text = toText(raw)
    // Counts the account here, because a function of the team that calls this may not tell login() the account's name.
    const { isFromKnownAddress, reportRight } = await countAccount(name.raw)
    const user = await findUser(name)
    const isRight = await isPasswordOf(user, { raw, text, isPreferred: isFromKnownAddress })
    if (!isRight || !user || callAtOnce('passwordCredentials(): isRefused', () => isRefused(user)))
      return null
    // The owner of "Bob" must not clear the failures of "BOB", so a name that is not stored normalized is reported as it is.
    reportRight(user[usernameField] as string, options.normalizeUsername)
    const id = callAtOnce('passwordCredentials(): toUserId', () => toUserId(user))
    // Not awaited, because a login neither waits for a new hash nor fails with it.
    if (upgradeHashes && provesWhole(user[hashField] as string, raw)) {
      void upgradeHash({ id, document: user }, text)
    }
    return { id }
  }

  return Object.assign(verify, { account: (body: Body) => toName(body).raw })
}

/** Creates the function that reads the name of the user in a body. */
function createNameReader(options: PasswordCredentialsConfig): (body: Body) => SentName {
  const { usernameField } = options
  return body => {
    const raw = requireText(body, usernameField, MAX_USERNAME_LENGTH)
    if (!options.normalizeUsername) return { raw, normalized: raw }
    // A name of spaces alone would become the empty name.
    const trimmed = requireText({ [usernameField]: raw.trim() }, usernameField, MAX_USERNAME_LENGTH)
    return { raw, normalized: normalizeUsername(trimmed) }
  }
}

function primaryKeyOf(user: StoredUser): string {
  const id = user['_id']
  if (typeof id === 'string') return id
  if (isObjectId(id)) return id.toHexString()
  const message =
    'passwordCredentials(): the _id of a user is neither a text nor an ObjectId. Write { toUserId: user => … }.'
  throw new CustomUserDataError('callback_failed', message)
}

function isObjectId(value: unknown): value is { toHexString(): string } {
  return typeof value === 'object' && value !== null && 'toHexString' in value
}
