import { tookTooLong } from '../functions/team-calls.js'
import { inTime } from '../in-time.js'
import type { Parts } from '../parts.js'
import type { Call } from '../router/routes.js'
import type { VerifiedIdentity } from '../users/stored-user.js'
import { AppServicesError } from '../wire/errors.js'
import { freshCopy } from '../wire/fresh-copy.js'
import { requestOriginOf } from '../wire/request-facts.js'
import { shownTextOf } from '../wire/shown-text.js'
import type { CustomFunctionOptions } from './custom-function-options.js'
import type { Provider } from './provider.js'

type ProviderParts = Pick<Parts, 'config' | 'extendedJson' | 'bson'>
type Payload = Readonly<Record<string, unknown>>

const MAX_ID_LENGTH = 255
/** Metadata is part of the stored user, and of each profile. */
const MAX_METADATA_BYTES = 65_536

/** Creates the provider of logins by a function of the team. */
export function customFunctionProvider(
  { handler, account }: CustomFunctionOptions,
  { config, extendedJson, bson }: ProviderParts,
): Provider {
  return {
    type: 'custom-function',
    userType: 'normal',
    isLinkable: true,
    refusal: 'the credentials are wrong',
    read(call) {
      const payload = payloadOf(call, extendedJson)
      return {
        account: toAccount(account?.(payload)),
        async verify() {
          const request = requestOriginOf(call)
          const operate = () => handler(payload, { request })
          const called = inTime<unknown>(config.functionTimeoutMs, operate, tookTooLong)
          const result = await called.catch((error: unknown) => {
            throw toRefusal(error)
          })
          return toIdentity(result, bson())
        },
      }
    },
  }
}

/** The client puts its own description of the device beside the members of the payload. */
function payloadOf({ body }: Call, extendedJson: Parts['extendedJson']): Payload {
  const members = Object.entries(body).filter(([name]) => name !== 'options')
  const payload = extendedJson.parse(Object.fromEntries(members), 'plain')
  // Extended JSON turns `{ "$undefined": true }` into null, and other objects into dates and the like.
  if (!isObject(payload)) throw new AppServicesError('BadBsonParse', 'the payload must be an object')
  return payload
}

function isObject(value: unknown): value is Payload {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function toAccount(account: unknown): string | undefined {
  if (account === undefined || account === null || account === '') return undefined
  // A client could otherwise choose a form of the name that is not counted.
  if (typeof account !== 'string')
    throw new AppServicesError('InvalidParameter', 'the name of the account must be a text')
  return `custom-function:${account}`
}

/** An unexpected error is a fault of the server and not a failed login, so it keeps its class. */
function toRefusal(error: unknown): unknown {
  const text = shownTextOf(error)
  if (text === undefined || error instanceof AppServicesError) return error
  return new AppServicesError('AuthError', text, { cause: error })
}

/** A mistake in the result throws: a wrong id could be that of another user. */
function toIdentity(result: unknown, bson: ReturnType<Parts['bson']>): VerifiedIdentity | null {
  if (result === undefined || result === null || result === false) return null
  const bare = toId(result)
  if (bare !== undefined) return { providerType: 'custom-function', id: bare, data: {} }
  const { id: given, ...metadata } = Object(result) as Payload
  const id = toId(given)
  if (id === undefined)
    throw new TypeError(
      `providers.customFunction returned no id: return a text of 1 to ${MAX_ID_LENGTH} characters, an ObjectId, or { id, name }; null refuses the login.`,
    )
  const data = freshCopy(metadata, bson)
  if (bson.calculateObjectSize(data) > MAX_METADATA_BYTES)
    throw new TypeError(
      `providers.customFunction returned more than ${MAX_METADATA_BYTES} bytes of metadata.`,
    )
  return { providerType: 'custom-function', id, data }
}

/** MongoDB stores a text that is not well formed as another text, which could be the id of another user. */
function toId(value: unknown): string | undefined {
  if (typeof value === 'string')
    return value !== '' && value.length <= MAX_ID_LENGTH && Buffer.from(value).toString() === value
      ? value
      : undefined
  const { _bsontype, toHexString } = Object(value) as { readonly _bsontype?: unknown; toHexString?: unknown }
  const isObjectId = _bsontype === 'ObjectId' || _bsontype === 'ObjectID'
  return isObjectId && typeof toHexString === 'function' ? String(toHexString.call(value)) : undefined
}
