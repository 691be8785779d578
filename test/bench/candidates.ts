/** One app that is compared with the base. */
export interface Candidate {
  /** As the server knows it, and as tables and plot show it. */
  readonly name: string
  /** Its part of the keys in the JSON. */
  readonly key: string
  readonly kind: 'reference' | 'ours' | 'peer'
  /** Its name in the picture of the README, as people know it. Candidates without one are in the tables only. */
  readonly label?: string
}

/** All candidates in the order of the table. `base` compared with itself is the A/A pair. */
export const CANDIDATES: readonly Candidate[] = [
  { name: 'bare', key: 'bare', kind: 'reference' },
  { name: 'base', key: 'aa', kind: 'reference' },
  { name: 'one property on req', key: 'oneProperty', kind: 'reference' },
  { name: 'one property on a prepared req', key: 'onePreparedProperty', kind: 'reference' },
  { name: 'ours HS256', key: 'hs256', kind: 'ours', label: 'express-custom-user-data' },
  { name: 'ours RS256', key: 'rs256', kind: 'ours' },
  { name: 'ours ES256', key: 'es256', kind: 'ours' },
  {
    name: 'ours in passport',
    key: 'inPassport',
    kind: 'ours',
    label: 'the same, in passport',
  },
  { name: 'ours from the claim', key: 'fromClaim', kind: 'ours' },
  { name: 'passport-jwt + findOne', key: 'passportJwt', kind: 'peer', label: 'passport-jwt + findOne()' },
  { name: 'passport-jwt (KeyObject) + findOne', key: 'passportJwtKeyObject', kind: 'peer' },
  {
    name: 'passport-jwt (KeyObject) + cache by user',
    key: 'passportJwtCached',
    kind: 'peer',
    label: 'passport-jwt + a cache by user',
  },
  { name: 'express-jwt + findOne', key: 'expressJwt', kind: 'peer' },
  { name: 'express-jwt (KeyObject) + findOne', key: 'expressJwtKeyObject', kind: 'peer' },
  {
    name: 'express-oauth2-jwt-bearer (HS256) + findOne',
    key: 'oauth2Hs256',
    kind: 'peer',
    label: 'express-oauth2-jwt-bearer + findOne()',
  },
  { name: 'express-oauth2-jwt-bearer (RS256) + findOne', key: 'oauth2Rs256', kind: 'peer' },
  {
    name: 'express-session + connect-mongo',
    key: 'expressSession',
    kind: 'peer',
    label: 'express-session + connect-mongo',
  },
  {
    name: 'better-auth, cookie cache on',
    key: 'betterAuthCached',
    kind: 'peer',
    label: 'better-auth with its cookie cache',
  },
  { name: 'better-auth, cookie cache off', key: 'betterAuth', kind: 'peer' },
  { name: 'fast-jwt with its cache, no data', key: 'fastJwt', kind: 'peer' },
]

/** The candidates of the picture, with the base beside itself, which shows the noise. */
export const COMPARED = CANDIDATES.filter(({ key, label }) => key === 'aa' || label !== undefined)
