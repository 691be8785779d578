import { randomBytes } from 'node:crypto'
import type { Document } from 'mongodb'
import { asCustomUserDataError, CustomUserDataError, toCallbackError } from '../errors.js'
import type { Events } from '../events.js'
import type { Outage } from '../mongo/database-errors.js'
import { QueueFullError } from '../util/concurrency-limit.js'
import { DeadlineError, withDeadline } from '../util/deadline.js'
import { describeType } from '../util/describe-value.js'
import { isThrown } from '../util/thrown.js'
import { hashPassword, verifyPassword } from './argon2.js'
import { adviseOnDecoy, adviseOnHash, adviseOnMissingHash } from './hash-advice.js'
import { bcryptCostOf, isArgon2Hash } from './hash-kinds.js'
import { hashingQueue } from './hashing-queue.js'

/** Verifies a hash that is not argon2: `bcrypt.compare`, for example. */
export type VerifyPassword = (password: string, hash: string) => boolean | Promise<boolean>

interface PasswordCheckConfig {
  /** The field of the document that holds the hash. */
  readonly hashField: string
  /** For hashes of another kind than argon2. */
  readonly verifyPassword: VerifyPassword | undefined
  /** The hash that is checked for unknown users; `undefined`: one of argon2. */
  readonly decoyHash: string | undefined
}

/** A password that was sent. */
interface SentPassword {
  /** The password as it was received, which hashes of another kind are verified with. */
  readonly raw: string
  /** The text that argon2 hashes. */
  readonly text: string
  /** Whether the login goes first, see {@link verifyPassword}. */
  readonly isPreferred: boolean
}

/** Milliseconds that a login waits for its hash. */
const HASH_TIMEOUT_MS = 5_000
const CALLBACK = 'passwordCredentials(): verifyPassword'

/** A login whose password was not checked. */
export const UNAVAILABLE: Outage = {
  code: 'credentials_unavailable',
  message: 'The password could not be checked in time.',
}

/**
 * Creates the check of a password against the hash of a user. It also works for no user and for a user without a hash. Then it
 * verifies a decoy, so that it takes as long, and resolves to false.
 */
export function createPasswordCheck(config: PasswordCheckConfig, events: Events) {
  const { hashField, verifyPassword: verifyOther, decoyHash } = config
  // A real hash, because any other text would be refused faster.
  const decoy =
    decoyHash === undefined ? hashPassword(randomBytes(32).toString('base64url')) : Promise.resolve(decoyHash)
  // verifyDecoy() awaits it later, and then reports a failure. Until then nobody would handle the rejection.
  decoy.catch(() => undefined)
  const warnOfDecoy = createDecoyWarning(config, events)

  async function verifyHash(hash: string, password: SentPassword, signal: AbortSignal): Promise<boolean> {
    const { raw, text, isPreferred } = password
    if (!verifyOther || isArgon2Hash(hash)) return verifyPassword(hash, text, signal, isPreferred)
    const verify = () => callInTime(signal, () => verifyOther(raw, hash))
    return hashingQueue.run(signal, verify, isPreferred)
  }

  async function verifyDecoy(password: SentPassword, signal: AbortSignal): Promise<false> {
    await verifyHash(await decoy, password, signal)
    return false
  }

  async function check(
    user: Document | undefined,
    password: SentPassword,
    signal: AbortSignal,
  ): Promise<boolean> {
    const hash: unknown = user?.[hashField]
    if (typeof hash !== 'string' || hash === '') {
      const message = user && adviseOnMissingHash(hashField, user)
      if (message !== undefined) events.warn({ code: 'password_hash_unreadable', message })
      return verifyDecoy(password, signal)
    }
    const isRight = await verifyHash(hash, password, signal).catch((error: unknown) => {
      if (isThrown(QueueFullError, error) || asCustomUserDataError(error) || signal.aborted) throw error
      events.warn({ code: 'password_hash_unreadable', message: adviseOnHash(hashField, hash) })
      return verifyDecoy(password, signal)
    })
    warnOfDecoy(hash)
    // A mark such as "!" in place of a hash is refused without any work.
    if (!isRight && isOtherThanBcrypt(hash, decoyHash)) return verifyDecoy(password, signal)
    return isRight
  }

  return (user: Document | undefined, password: SentPassword): Promise<boolean> =>
    withDeadline(HASH_TIMEOUT_MS, signal => check(user, password, signal)).catch((cause: unknown) => {
      throw toHashingError(cause)
    })
}

/** Whether a text is neither argon2 nor bcrypt, in an app whose users have bcrypt hashes. */
function isOtherThanBcrypt(hash: string, decoyHash = ''): boolean {
  const isBcryptApp = bcryptCostOf(decoyHash) !== undefined
  return isBcryptApp && bcryptCostOf(hash) === undefined && !isArgon2Hash(hash)
}

/** Warns once of bcrypt hashes that take another time than the decoy. */
function createDecoyWarning({ hashField, decoyHash = '' }: PasswordCheckConfig, events: Events) {
  const decoyCost = bcryptCostOf(decoyHash)
  let hasWarned = false
  return (hash: string): void => {
    const cost = bcryptCostOf(hash)
    if (hasWarned || !decoyCost || !cost || cost === decoyCost) return
    hasWarned = true
    events.warn({ code: 'decoy_hash_differs', message: adviseOnDecoy(hashField, cost, decoyCost) })
  }
}

/** Calls the team's function. Gives up when the signal aborts, so that a promise that never settles blocks no other login. */
function callInTime(signal: AbortSignal, verify: () => unknown): Promise<boolean> {
  const call = async (): Promise<boolean> => {
    try {
      return requireVerdict(await verify())
    } catch (cause) {
      throw toCallbackError(CALLBACK, cause)
    }
  }
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    call()
      .finally(() => signal.removeEventListener('abort', abort))
      .then(resolve, reject)
  })
}

/** Any other value would be a guess: a function with a callback returns nothing, and an object is always true. */
function requireVerdict(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  const message =
    `${CALLBACK} must return true or false, or a promise of one (given: ${describeType(value)}). ` +
    'If it takes a callback, write verifyPassword: promisify(bcrypt.compare), with promisify of node:util.'
  throw new CustomUserDataError('callback_failed', message)
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
