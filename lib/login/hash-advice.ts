import type { Document } from 'mongodb'
import { isArgon2Hash } from './hash-kinds.js'

/** Hashes that other libraries store, by the forms of their texts. */
const KINDS: readonly (readonly [form: RegExp, name: string])[] = [
  [/^\$argon2/, 'a damaged argon2 hash'],
  [/^\$2[abxy]?\$/, 'a bcrypt hash'],
  [/^\$?scrypt/i, 'an scrypt hash'],
  [/^\$?pbkdf2/i, 'a PBKDF2 hash'],
  [/^\$[1-9y]\$|^\$sha1\$/, 'a hash of crypt()'],
  [/^\{[A-Z\d-]+\}/, 'a hash of a directory (LDAP)'],
  [
    /^(?:[\da-f]{32}|[\da-f]{40}|[\da-f]{64}|[\da-f]{96}|[\da-f]{128})$/i,
    'a digest in hex, such as MD5 or SHA-256',
  ],
]

const WAY_OUT =
  'Give passwordCredentials() a verifyPassword that verifies such a hash, e.g. bcrypt.compare, and a decoyHash: see ' +
  'docs/bcrypt.md of this package.'

/** Says what a field holds in place of an argon2 hash, and what to do. Repeats nothing of the text. */
export function adviseOnHash(hashField: string, hash: string): string {
  const kind = KINDS.find(([form]) => form.test(hash))?.[1] ?? 'no argon2 hash'
  const advice = isArgon2Hash(hash) ? "Store a new hash: reset this user's password." : WAY_OUT
  return `The field "${hashField}" of a user holds ${kind}, so passwordCredentials() cannot log this user in. ${advice}`
}

/** Says that the time of a login tells whether the user exists. */
export function adviseOnDecoy(hashField: string, cost: string, decoyCost: string): string {
  return (
    `The field "${hashField}" of a user holds a bcrypt hash of cost ${Number(cost)}, but decoyHash has cost ` +
    `${Number(decoyCost)}, so the time of a login tells whether the user exists. Write a decoyHash with the cost that most ` +
    'users have.'
  )
}

/** Says which other field of a user holds a hash; `undefined` if there is none, because some users have no password. */
export function adviseOnMissingHash(hashField: string, user: Document): string | undefined {
  const isHash = (value: unknown): boolean =>
    typeof value === 'string' && /^\$(?:argon2|2[abxy]?\$)/.test(value)
  const field = Object.keys(user).find(name => isHash(user[name]))
  if (field === undefined) return undefined
  return (
    `A user has no text in the field "${hashField}", so this user cannot log in, but a hash in "${field}". ` +
    `Write hashField: ${JSON.stringify(field)}.`
  )
}
