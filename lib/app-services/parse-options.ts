import * as v from 'valibot'
import { OptionError } from '../index.js'
import type { CustomUserData } from '../index.js'
import { aBoolean, aFunction, aText, aWholeNumber, checkOptions, membersOf } from './check-options.js'
import { collectionsEntries } from './collections/collections-schema.js'
import { functionsEntries } from './functions/functions-schema.js'
import { emailPasswordSchema } from './account/email-password/email-password-options.js'
import type { AppServicesOptions, DatabaseLike } from './options.js'
import { customTokenOptions } from './providers/custom-token-schema.js'
import type { AllowedClientOrigins } from './router/cors.js'
import { customFunctionOption } from './providers/custom-function-schema.js'
import { triggersOption } from './triggers/triggers-schema.js'
import type { UserObject } from './users/user-object.js'

/** Complete options of `createAppServices()`. */
export type AppServicesConfig = ReturnType<typeof parseAppServicesOptions>

const HOSTNAME =
  'write the address of the router as clients reach it, such as "https://api.example.com/realm", without a slash at the end'
const ORIGIN =
  'write a list of origins of pages without a slash at the end, such as ["https://app.example.com"], or "*" alone'
const DATABASE =
  'give a database, e.g. client.db("app") or mongoose.connection.db, or a function that returns it'

const database = v.custom<DatabaseLike | (() => DatabaseLike)>(
  value =>
    typeof value === 'function' || (typeof value === 'object' && value !== null && 'collection' in value),
  DATABASE,
)

const userData = v.custom<CustomUserData<object>>(
  value => typeof value === 'object' && value !== null && 'authenticateLogin' in value && 'forUser' in value,
  'give what createCustomUserData() returned',
)

const allowedOrigins = v.custom<AllowedClientOrigins>(
  value => value === '*' || (Array.isArray(value) && value.every(isOrigin)),
  ORIGIN,
)

const schema = membersOf({
  userData,
  database,
  appId: v.pipe(
    aText,
    v.regex(/^[\w-]{1,100}$/, 'write the app id of the clients: letters, digits, _ and -'),
  ),
  hostname: v.custom<string>(isHostname, HOSTNAME),
  location: v.optional(aText, 'LOCAL'),
  providers: membersOf({
    anonymous: v.optional(aBoolean, false),
    customFunction: customFunctionOption,
    customToken: v.optional(customTokenOptions),
    emailPassword: v.optional(emailPasswordSchema),
    apiKey: v.optional(aBoolean, false),
  }),
  onUserCreation: v.optional(aFunction<(user: UserObject) => unknown>()),
  ...functionsEntries,
  ...collectionsEntries,
  triggers: triggersOption,
  allowedOrigins: v.optional(allowedOrigins, []),
  maxBodyBytes: v.optional(aWholeNumber(1_024, 16 * 1024 * 1024), 1024 * 1024),
  timeoutMs: v.optional(aWholeNumber(100, 60_000), 5_000),
})

/**
 * Parses the options of `createAppServices()`.
 * @throws OptionError
 */
export function parseAppServicesOptions(given: AppServicesOptions) {
  const config = checkOptions('createAppServices()', schema, given)
  const { issuesTokens, userDataInToken } = config.userData.settings
  if (!issuesTokens) throw wrongInstance('issues no tokens. Give it secret, issuer and audience')
  if (userDataInToken === false)
    throw wrongInstance(
      'puts no custom data into access tokens, and clients read user.customData there. Give it userDataInToken: "canonical"',
    )
  return config
}

function wrongInstance(why: string): OptionError {
  return new OptionError(`createAppServices(): option "userData": the instance ${why}.`)
}

function isHostname(value: unknown): value is string {
  if (typeof value !== 'string' || value.endsWith('/') || !URL.canParse(value)) return false
  const { protocol, search, hash, username } = new URL(value)
  return ['http:', 'https:'].includes(protocol) && search === '' && hash === '' && username === ''
}

/** Pages of a packaged app have origins such as `capacitor://localhost`, for which `URL` gives the origin `null`. */
function isOrigin(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false
  const { origin, protocol, host } = new URL(value)
  return origin === value || (origin === 'null' && host !== '' && value === `${protocol}//${host}`)
}
