// Each line that follows a comment must be refused, and for the reason that the comment gives.
import { createCustomUserData } from 'express-custom-user-data'
import type {
  CollectionLike,
  CustomUserData,
  Hooks,
  KeyOptions,
  VerifyPassword,
} from 'express-custom-user-data'
import type { Request } from 'express'
import type { Collection } from 'mongodb'
import type { Profile } from './profile.js'

export function refuseChanges({ user }: Request, other: Profile): void {
  if (!user) return
  // @ts-expect-error Cannot assign to 'id' because it is a read-only property
  user.id = 'bob'
  // @ts-expect-error Cannot assign to 'customData' because it is a read-only property
  user.customData = other
  // @ts-expect-error Cannot assign to 'language' because it is a read-only property
  user.customData.language = 'fr'
  // @ts-expect-error Cannot assign to 'sub' because it is a read-only property
  user.claims.sub = 'bob'
  // @ts-expect-error The operand of a 'delete' operator cannot be a read-only property
  delete user.customData.language
  const { address } = user.customData
  // @ts-expect-error Cannot assign to 'city' because it is a read-only property
  if (address) address.city = 'Basel'
  // @ts-expect-error Property 'push' does not exist on type 'readonly string[]'
  address?.lines.push('Hof 2')
  // @ts-expect-error Index signature in type 'readonly string[]' only permits reading
  if (address) address.lines[0] = 'Hof 2'
}

export function refuseGuesses(req: Request): string {
  // @ts-expect-error 'req.user' is possibly 'undefined'
  req.user.id
  // @ts-expect-error Property 'langage' does not exist on type
  req.user?.customData.langage
  // @ts-expect-error Type 'undefined' is not assignable to type 'string'
  return req.user?.customData.language
}

export function refuseRules(userData: CustomUserData<Partial<Profile>>): void {
  userData.allow(({ customData }) => customData.language === 'de')
  userData.allow({ '%%user.custom_data.language': 'de' })
  // @ts-expect-error Property 'langage' does not exist on type
  userData.allow(({ customData }) => customData.langage === 'de')
  // @ts-expect-error This comparison appears to be unintentional
  userData.allow(({ customData }) => customData.language === 'it')
  // @ts-expect-error Type 'string' is not assignable to type 'boolean | Promise<boolean>'
  userData.allow(({ id }) => id)
  // @ts-expect-error Argument of type '"admin"' is not assignable to parameter of type
  userData.allow('admin')
  // @ts-expect-error Type 'string' is not assignable to type 'number'
  userData.authenticate({ maxAgeMs: '0' })
}

export function refuseOptions(collection: CollectionLike, secret: string): void {
  const issuer = 'https://issuer.example.com'
  const audience = 'https://api.example.com'
  const keyless = { collection, issuer, audience }
  const options = { ...keyless, secret }
  createCustomUserData(options)
  // @ts-expect-error Property 'collection' is missing
  createCustomUserData({ issuer, audience, secret })
  // @ts-expect-error Property 'issuer' is missing
  createCustomUserData({ collection, audience, secret })
  // @ts-expect-error Property 'audience' is missing
  createCustomUserData({ collection, issuer, secret })
  // @ts-expect-error Types of property 'secret' are incompatible
  createCustomUserData({ ...keyless, secret: process.env['TOKEN_SECRET'] })
  // @ts-expect-error Types of property 'secret' are incompatible
  createCustomUserData({ ...keyless, secret: process.env['TOKEN_SECRET'], requireDocument: true })
  // @ts-expect-error Type 'null' is not assignable to type 'string | readonly string[]'
  createCustomUserData({ ...options, audience: null })
  // @ts-expect-error 'snapshotTtl' does not exist in type
  createCustomUserData({ ...options, snapshotTtl: 1000 })
  // @ts-expect-error Type 'string' is not assignable to type 'number'
  createCustomUserData({ ...options, snapshotTtlMs: '30m' })
}

export function refuseKeys(collection: CollectionLike, keys: readonly KeyOptions[]): void {
  const keyless = { collection, issuer: 'https://issuer.example.com', audience: 'https://api.example.com' }
  const key = 'a secret of a consumer, 32 bytes or more'
  createCustomUserData({ ...keyless, keys })
  createCustomUserData({ ...keyless, keys: [{ kid: 'a', alg: 'HS256', key }] })
  // @ts-expect-error Property 'secret' is missing
  createCustomUserData(keyless)
  // @ts-expect-error Types of property 'keys' are incompatible
  createCustomUserData({ ...keyless, secret: key, keys })
  // @ts-expect-error Property 'alg' is missing
  createCustomUserData({ ...keyless, keys: [{ kid: 'a', key }] })
  // @ts-expect-error Type '"none"' is not assignable to type
  createCustomUserData({ ...keyless, keys: [{ kid: 'a', alg: 'none', key }] })
  // @ts-expect-error Type '"EdDSA"' is not assignable to type
  createCustomUserData({ ...keyless, keys: [{ kid: 'a', alg: 'EdDSA', key }] })
}

export function refuseFields(collection: Collection<Profile>, secret: string): void {
  const own = { secret, issuer: 'https://issuer.example.com', audience: 'https://api.example.com' }
  const userData = createCustomUserData({ collection, ...own })
  userData.ownData({ fields: ['language'] })
  // @ts-expect-error Type '"langage"' is not assignable to type
  userData.ownData({ fields: ['langage'] })
  // @ts-expect-error Type '"it"' is not assignable to type '"de" | "fr"
  void userData.forUser('alice').update({ language: 'it' })
}

export function refusePasswordChecks(
  users: CollectionLike,
  verifyPassword: VerifyPassword,
  decoyHash: string,
): void {
  const { passwordCredentials } = createCustomUserData({ collection: users })
  passwordCredentials({ collection: users })
  passwordCredentials({
    collection: users,
    isRefused: user => user['locked'] === true,
    toUserId: user => String(user['uuid']),
  })
  // @ts-expect-error Type 'unknown' is not assignable to type 'boolean'
  passwordCredentials({ collection: users, isRefused: user => user['lockd'] })
  // @ts-expect-error Type 'unknown' is not assignable to type 'string'
  passwordCredentials({ collection: users, toUserId: user => user['uuid'] })
  passwordCredentials({ collection: users, verifyPassword, decoyHash })
  // @ts-expect-error Property 'decoyHash' is missing
  passwordCredentials({ collection: users, verifyPassword })
  // @ts-expect-error Property 'verifyPassword' is missing
  passwordCredentials({ collection: users, decoyHash })
  // @ts-expect-error Type 'string | undefined' is not assignable to type 'string'
  passwordCredentials({ collection: users, verifyPassword, decoyHash: process.env['DECOY_HASH'] })
}

export function refuseFieldsOfUnions(
  collection: Collection<{ surname: string } | { registeredIn: string }>,
  req: Request,
  secret: string,
): void {
  const own = { secret, issuer: 'https://issuer.example.com', audience: 'https://api.example.com' }
  const userData = createCustomUserData({ collection, ...own })
  const { customData } = userData.user(req)
  const name: string | undefined = 'surname' in customData ? customData.surname : undefined
  // @ts-expect-error Type 'string | undefined' is not assignable to type 'number | undefined'
  const year: number | undefined = 'registeredIn' in customData ? customData.registeredIn : name
  // @ts-expect-error Property 'surname' does not exist on type
  customData.surname
  userData.ownData({ fields: ['surname', 'registeredIn'] })
  // @ts-expect-error Type '"year"' is not assignable to type
  userData.ownData({ fields: ['year'] })
  void year
}

export function refuseFirstDocuments(collection: Collection<Profile>, secret: string): void {
  const own = { secret, issuer: 'https://issuer.example.com', audience: 'https://api.example.com' }
  const options = { collection, ...own }
  const hooks: Hooks = { createCustomData: () => ({ language: 'fr' }) }
  createCustomUserData({ ...options, hooks })
  createCustomUserData({ ...options, hooks: { createCustomData: () => ({ language: 'fr' }) } })
  createCustomUserData({
    ...options,
    hooks: { createCustomData: ({ id }) => id !== 'bob' && { language: 'de' } },
  })
  createCustomUserData<Profile>({
    ...options,
    hooks: { createCustomData: async () => ({ address: { city: 'Bern', lines: [] } }) },
    requireDocument: true,
  })
  // @ts-expect-error Property '[DOCUMENT_HAS_OTHER_FIELDS]' is missing in type '{ nonsense: 1; }'
  createCustomUserData({ ...options, hooks: { createCustomData: () => ({ nonsense: 1 }) } })
  // @ts-expect-error Type '"it"' is not assignable to type '"de" | "fr"'
  createCustomUserData({ ...options, hooks: { createCustomData: () => ({ language: 'it' }) } })
  // @ts-expect-error Type '"it"' is not assignable to type '"de" | "fr"'
  createCustomUserData({ ...options, hooks: { createCustomData: async () => ({ language: 'it' }) } })
}
