import type { BSON } from 'mongodb'
import { createAccessTokens } from './assembly/access-tokens.js'
import { createCalls } from './assembly/calls.js'
import { createChecks } from './assembly/checks.js'
import { createCore } from './assembly/core.js'
import { createDocuments } from './assembly/documents.js'
import { createForeignKeySets, createForeignTokenFunctions } from './assembly/foreign-tokens.js'
import { createGuardParts, createGuards } from './assembly/guards.js'
import { createIssuerFunctions } from './assembly/issuer-functions.js'
import { createLoginFunctions } from './assembly/login-functions.js'
import { createLoginAttempts } from './assembly/login-attempts.js'
import { createLogins } from './assembly/logins.js'
import { createRoutes } from './assembly/routes.js'
import { createServerFunctions, createSessionFunctions } from './assembly/server-functions.js'
import { createSessionParts } from './assembly/sessions.js'
import { createSnapshotParts } from './assembly/snapshots.js'
import { createTransport } from './assembly/transport.js'
import type { CustomUserData } from './instance.js'
import { requireTeamBson } from './mongo/team-bson.js'
import { toSettings } from './options/settings.js'
import { refuseArguments, refuseOptions } from './options/arguments.js'
import type { CustomUserDataOptions, OptionsWithoutKeys } from './options/options.js'
import type { CustomDataOf, DeepReadonly, DefaultDocument, KnownDocument } from './types.js'

/**
 * Creates an instance. Give `collection`, and `issuer`, `audience` and `secret` (or `keys`) if your app issues tokens, or
 * `trustedIssuers` if other servers issue them. `collection` alone is enough for `attach()` behind a guard of your own. Every
 * other option has a default.
 *
 * @typeParam Data the documents, which type `customData`: those of the collection's own type, or of a `schema`. Write `number` for a 64-bit integer, and
 * `Binary` for binary data, whatever options for BSON your client has
 * @throws OptionError for each missing, wrong or unknown option, with what to write instead
 * @example
 * const userData = createCustomUserData({
 *   collection: client.db('app').collection('custom_user_data'),
 *   secret: process.env.ACCESS_TOKEN_SECRET,
 *   issuer: 'https://auth.example.com',
 *   audience: 'https://api.example.com',
 * })
 * app.post('/login', userData.login(verifyCredentials))
 * app.use(userData.authenticate())
 */
export function createCustomUserData<Data extends object = DefaultDocument>(
  options: OptionsWithoutKeys<Data> & { readonly requireDocument: true },
): CustomUserData<DeepReadonly<KnownDocument<Data>>>
export function createCustomUserData<Data extends object = DefaultDocument>(
  options: OptionsWithoutKeys<Data>,
): CustomUserData<CustomDataOf<KnownDocument<Data>>>
export function createCustomUserData<Data extends object = DefaultDocument>(
  // eslint-disable-next-line @typescript-eslint/unified-signatures -- of a union the compiler explains a wrong option badly
  options: CustomUserDataOptions<Data> & { readonly requireDocument: true },
): CustomUserData<DeepReadonly<KnownDocument<Data>>>
export function createCustomUserData<Data extends object = DefaultDocument>(
  // eslint-disable-next-line @typescript-eslint/unified-signatures -- of a union the compiler explains a wrong option badly
  options: CustomUserDataOptions<Data>,
): CustomUserData<CustomDataOf<KnownDocument<Data>>>
export function createCustomUserData(
  options: CustomUserDataOptions<object> | OptionsWithoutKeys<object>,
): CustomUserData<object> {
  // Each part gets only parts that exist already. They are used in the other direction: a request goes through a guard to
  // its snapshot, and on a miss to the documents in MongoDB; a login opens a session, and then loads and keeps a snapshot.
  const core = createCore(options)
  const tokens = createAccessTokens(core)
  const foreignKeySets = createForeignKeySets(core)
  const sessions = createSessionParts(core, tokens)
  const loginAttempts = createLoginAttempts(core, sessions)
  const checks = createChecks(core, sessions, loginAttempts)
  const documents = createDocuments(core, checks)
  const snapshots = createSnapshotParts(core, documents, sessions, checks)
  const guards = createGuardParts(core, tokens, snapshots, sessions, checks)
  const logins = createLogins(core, tokens, documents, snapshots, sessions, guards, loginAttempts)
  const transport = createTransport(core, guards)
  const calls = createCalls(core, guards)

  return {
    ...createGuards(guards),
    ...createRoutes(core, tokens, documents, guards, sessions, logins, transport),
    ...createSessionFunctions(core, tokens, logins, transport, calls),
    ...createLoginFunctions(logins, calls),
    ...createIssuerFunctions(tokens, snapshots),
    ...createForeignTokenFunctions(core, foreignKeySets, calls),
    ...createServerFunctions(core, tokens, documents, snapshots, sessions, logins, loginAttempts),
    events: core.events.emitter,
    settings: toSettings(core.config),
    bson: (...given) => {
      refuseArguments('bson()', given)
      return requireTeamBson(core.database.bson, 'bson()') as unknown as typeof BSON
    },
    stats: () => ({
      ...core.metrics.counted(),
      ...snapshots.snapshots.size(),
      watches: snapshots.watches.size,
      changeStreams: checks.changeFeeds.states(),
    }),
    async ready(...given) {
      refuseOptions('ready()', given)
      const { indexes } = await checks.readiness.ready()
      return { changeStreams: checks.changeFeeds.states(), indexes }
    },
    async close(...given) {
      refuseOptions('close()', given)
      snapshots.watches.close()
      checks.changeFeeds.close()
      snapshots.snapshots.close()
      tokens.close()
      foreignKeySets.close()
      await core.backgroundWork.close()
    },
  }
}
