import type { Parts } from '../parts.js'
import { requireSession, userIsGone } from '../router/callers.js'
import type { CallerSession } from '../router/callers.js'
import type { Call, Route } from '../router/routes.js'
import { providersOf } from '../users/user-object.js'
import { emptyAnswer, jsonAnswer } from '../wire/answers.js'
import type { Answer } from '../wire/answers.js'
import { AppServicesError } from '../wire/errors.js'
import type { StoredApiKey } from './api-key-store.js'
import type { ApiKeys } from './create-api-keys.js'

/** As in App Services. */
const NAME = /^[A-Za-z0-9_-]{1,100}$/
const NAME_RULE = 'the name of an API key must be 1 to 100 letters, digits, _ and -'

type RouteParts = Pick<Parts, 'userData' | 'users'>

/** Creates the routes by which users manage their API keys. The client sends its refresh token to them. */
export function apiKeyRoutes({ store, sessions }: ApiKeys, { userData, users }: RouteParts): Route[] {
  /** Runs one operation on a key of the caller. */
  function onKey(run: (userId: string, keyId: string, call: CallerSession) => Promise<Answer>) {
    return async (call: Call): Promise<Answer> => {
      const session = await requireSession(call, userData)
      return run(session.userId, call.params['keyId'] ?? '', session)
    }
  }

  return [
    {
      method: 'post',
      base: 'api',
      path: '/auth/api_keys',
      async handle(call) {
        const { userId, type } = await requireSession(call, userData)
        const name = nameOf(call.body)
        // A thief of a key could otherwise make keys that outlive the stolen one.
        if (type === 'server') throw forbidden('a session that began with an API key cannot create API keys')
        const user = await users.findById(userId)
        if (!user) throw userIsGone()
        if (providersOf(user.identities).every(provider => provider === 'anon-user'))
          throw forbidden('an anonymous user cannot have API keys')
        const { stored, key } = await store.create(userId, name)
        // The user may have been deleted meanwhile, and the deletion did not see this key.
        if (!(await users.findById(userId))) {
          await store.remove(stored)
          throw userIsGone()
        }
        const { _id, ...others } = toAnswer(stored)
        return jsonAnswer({ _id, key, ...others }, 201)
      },
    },
    {
      method: 'get',
      base: 'api',
      path: '/auth/api_keys',
      async handle(call) {
        const { userId } = await requireSession(call, userData)
        return jsonAnswer((await store.list(userId)).map(toAnswer))
      },
    },
    {
      method: 'get',
      base: 'api',
      path: '/auth/api_keys/:keyId',
      handle: onKey(async (userId, keyId) => {
        const key = await store.find(userId, keyId)
        if (!key) throw notFound()
        return jsonAnswer(toAnswer(key))
      }),
    },
    {
      method: 'put',
      base: 'api',
      path: '/auth/api_keys/:keyId/enable',
      handle: onKey(async (userId, keyId, { type }) => {
        if (type === 'server') throw forbidden('a session that began with an API key cannot enable API keys')
        if (!(await store.setDisabled(userId, keyId, false))) throw notFound()
        return emptyAnswer()
      }),
    },
    {
      method: 'put',
      base: 'api',
      path: '/auth/api_keys/:keyId/disable',
      handle: onKey(async (userId, keyId) => {
        await disable(userId, keyId)
        return emptyAnswer()
      }),
    },
    {
      method: 'delete',
      base: 'api',
      path: '/auth/api_keys/:keyId',
      handle: onKey(async (userId, keyId, { sid }) => {
        const key = await store.find(userId, keyId)
        if (key?.sessions.includes(sid) === true) throw forbidden('the API key of this session is in use')
        // A disabled key gets no further sessions, so none is left when the key is removed.
        await store.remove(await disable(userId, keyId))
        return emptyAnswer()
      }),
    },
  ]

  async function disable(userId: string, keyId: string): Promise<StoredApiKey> {
    const key = await store.setDisabled(userId, keyId, true)
    if (!key) throw notFound()
    await sessions.endAll(key)
    return key
  }
}

/** Exactly these members: the native clients take others for a mistake. */
function toAnswer({ _id, name, disabled }: StoredApiKey) {
  return { _id: _id.toHexString(), name, disabled }
}

function nameOf({ name }: Readonly<Record<string, unknown>>): string {
  if (name === undefined || name === null)
    throw new AppServicesError('MissingParameter', 'missing parameter: name')
  if (typeof name !== 'string' || !NAME.test(name)) throw new AppServicesError('InvalidParameter', NAME_RULE)
  return name
}

function notFound(): AppServicesError {
  return new AppServicesError('APIKeyNotFound', 'API key not found')
}

function forbidden(why: string): AppServicesError {
  return new AppServicesError('NoMatchingRuleFound', why)
}
