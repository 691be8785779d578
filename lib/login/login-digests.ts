import { createHmac, createSecretKey, hkdfSync } from 'node:crypto'
import type { SessionSecret, SessionSecrets } from '../sessions/session-secrets.js'
import { toShownText } from '../util/shown-text.js'
import { foldAccountName } from './account-name.js'
import type { AccountName } from './account-name.js'

/** How events name accounts. */
export type AccountForm = 'digest' | 'clear'

/** The longest name in an event, in characters. */
const MAX_SHOWN_LENGTH = 320

/** Creates the function that converts the accounts of a login for events. Spellings with one digest are one account. */
export function createAccountNaming(form: AccountForm, digests: AllLoginDigests) {
  const convert = (name: AccountName): string =>
    form === 'clear' ? toShownText(String(name), MAX_SHOWN_LENGTH) : digests()[0].account(name)
  return (names: Iterable<AccountName>): readonly string[] => [...new Set(Array.from(names, convert))]
}

/** Digests of account names and addresses under one secret. */
export type LoginDigests = ReturnType<typeof createLoginDigests>

/** The digests under each of the session secrets as of now. The first secret's are used in events. */
export type AllLoginDigests = () => readonly [LoginDigests, ...LoginDigests[]]

/** Creates the function that gives the digests. `replaceKeys()` can change the secrets. */
export function createLoginDigestsOf(secrets: () => SessionSecrets): AllLoginDigests {
  const known = new WeakMap<SessionSecret, LoginDigests>()
  function digestsOf(secret: SessionSecret): LoginDigests {
    const digests = known.get(secret) ?? createLoginDigests(secret)
    known.set(secret, digests)
    return digests
  }
  return () => {
    const [first, ...others] = secrets()
    return [digestsOf(first), ...others.map(digestsOf)]
  }
}

/** Keeps the key of these digests apart from the session secret and from other keys that are derived from it. */
const HKDF_INFO = 'express-custom-user-data login digests'

/**
 * Creates the digests that stand for account names and addresses in MongoDB and in events. They are HMACs, because names and
 * addresses can be guessed: all IPv4 addresses can be hashed within an hour. The key is derived from a session secret
 * (HKDF, RFC 5869), so every process has it, and MongoDB does not.
 */
function createLoginDigests(secret: SessionSecret) {
  const key = createSecretKey(Buffer.from(hkdfSync('sha256', secret.key, '', HKDF_INFO, 32)))
  /** The kind keeps the digest of an account from being that of an address with the same text. */
  const digest = (kind: string, text: string): string =>
    createHmac('sha256', key).update(`${kind}:${text}`).digest('base64url')
  return {
    /** Names that {@link foldAccountName} makes equal have the same digest. */
    account: (name: AccountName): string => digest('account', foldAccountName(name)),
    /** The name exactly as it was written. JSON tells the number 5 from the text "5", as an app may do. */
    spelling: (name: AccountName): string =>
      digest('spelling', typeof name === 'bigint' ? `${name}n` : JSON.stringify(name)),
    network: (network: string): string => digest('network', network),
    /** An address together with an account, so that the accounts of one address cannot be found by it. */
    pair: (networkDigest: string, accountDigest: string): string =>
      digest('pair', `${networkDigest} ${accountDigest}`),
  }
}
