import passport from 'passport'
import { createCustomUserData } from '../../../../dist/index.js'
import { AUDIENCE, createKeys, ISSUER, SECRET } from '../tokens.js'
import { USERS, userIdOf } from '../database.js'
import { bearerHeaders, createGreetingApp } from './greeting.js'

/** A machine that is busy must not look like a MongoDB that is away. */
const LOAD_LIMIT_MS = 20_000

/** An instance as the README sets it up, with keys of one algorithm. */
export function createInstance({ profiles, keys, ...options }) {
  const signedBy =
    keys.alg === 'HS256'
      ? { secret: SECRET }
      : { keys: [{ kid: keys.kid, alg: keys.alg, key: keys.signWith }], sessionSecrets: [SECRET] }
  const limits = { loadTimeoutMs: LOAD_LIMIT_MS, sessionTimeoutMs: LOAD_LIMIT_MS }
  const identity = { issuer: ISSUER, audience: AUDIENCE }
  return createCustomUserData({ collection: profiles, ...identity, ...signedBy, ...limits, ...options })
}

const languageOf = req => req.user.customData.language

async function ours(alg, { profiles }) {
  const keys = createKeys(alg)
  const userData = createInstance({ profiles, keys })
  await userData.ready()
  const app = createGreetingApp(languageOf, userData.authenticate()).use(userData.errorHandler())
  return { app, signIn: () => bearerHeaders(keys) }
}

async function oursInPassport({ profiles }) {
  const keys = createKeys('HS256')
  const userData = createInstance({ profiles, keys })
  await userData.ready()
  passport.use(userData.strategy())
  const guard = passport.authenticate('custom-user-data', { session: false })
  return { app: createGreetingApp(languageOf, guard), signIn: () => bearerHeaders(keys) }
}

/** Tokens with the document in their `user_data` claim, where this build can issue them. */
async function oursFromClaim({ profiles, db }) {
  const keys = createKeys('HS256')
  const userData = createWithClaim({ profiles, keys })
  await userData.ready()
  const tokens = []
  for (let index = 0; index < USERS; index++)
    tokens.push((await userData.issueTokens(userIdOf(index))).access_token)
  // Another instance than the one that issued them: what it serves, it has from the claim.
  const other = createWithClaim({ profiles: db.collection('empty_custom_user_data'), keys })
  await other.ready()
  const app = createGreetingApp(languageOf, other.authenticate()).use(other.errorHandler())
  return { app, signIn: () => tokens.map(token => ({ authorization: `Bearer ${token}` })) }
}

function createWithClaim(setup) {
  try {
    return createInstance({ ...setup, userDataInToken: 'relaxed' })
  } catch (error) {
    throw new Error('not in this build', { cause: error })
  }
}

export const oursApps = {
  'ours HS256': context => ours('HS256', context),
  'ours RS256': context => ours('RS256', context),
  'ours ES256': context => ours('ES256', context),
  'ours in passport': oursInPassport,
  'ours from the claim': oursFromClaim,
}
