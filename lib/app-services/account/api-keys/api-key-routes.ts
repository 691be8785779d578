import type { Parts } from '../../parts.js'
import { providerIsOff } from '../../providers/provider.js'
import { requireSession, requireUser, userIsGone } from '../../router/callers.js'
import type { CallerSession } from '../../router/callers.js'
import type { Call, Route } from '../../router/routes.js'
import type { StoredUser } from '../../users/stored-user.js'
import { providersOf } from '../../users/user-object.js'
import { emptyAnswer, jsonAnswer } from '../../wire/answers.js'
import type { Answer } from '../../wire/answers.js'
import { requireText } from '../../wire/body-members.js'
import { AppServicesError } from '../../wire/errors.js'
import type { StoredApiKey } from './api-key-store.js'
import type { ApiKeys } from './create-api-keys.js'

/** As in App Services. */
const NAME = /^[A-Za-z0-9_-]{1,100}$/
const NAME_RULE = 'the name of an API key must be 1 to 100 letters, digits, _ and -'

type RouteParts = Pick<Parts, 'apiKeys' | 'userData' | 'users'>
type Handler = Route['handle']

/** The routes, by what they do. */
const ROUTES = {
  create: { method: 'post', path: '/auth/api_keys' },
  list: { method: 'get', path: '/auth/api_keys' },
  find: { method: 'get', path: '/auth/api_keys/:keyId' },
  enable: { method: 'put', path: '/auth/api_keys/:keyId/enable' },
  disable: { method: 'put', path: '/auth/api_keys/:keyId/disable' },
  remove: { method: 'delete', path: '/auth/api_keys/:keyId' },
} as const satisfies Record<string, Pick<Route, 'method' | 'path'>>

type Operation = keyof typeof ROUTES

/**
 * Creates the routes by which users manage their API keys. The client sends its refresh token to them. Without API keys they
 * answer 404.
 */
export function apiKeyRoutes({ apiKeys, ...parts }: RouteParts): Route[] {
  const handlers = apiKeys ? handlersOf(apiKeys, parts) : undefined
  return Object.entries(ROUTES).map(([operation, route]) => ({
    ...route,
    base: 'api',
    handle: handlers?.[operation as Operation] ?? refuse,
  }))
}

function refuse(): never {
  throw providerIsOff()
}

/** Who manages keys: a user who exists, and the session that the request belongs to. */
interface Owner {
  readonly user: StoredUser
  readonly session: CallerSession
}

function handlersOf(
  { store, sessions }: ApiKeys,
  { userData, users }: Omit<RouteParts, 'apiKeys'>,
): Record<Operation, Handler> {
  /** Runs one operation for the owner of keys. */
  function asOwner(run: (userId: string, call: Call, owner: Owner) => Promise<Answer>): Handler {
    return async call => {
      const session = await requireSession(call, userData)
      // MongoDB removes an anonymous user whose time is over, and the refresh token lives on.
      const user = await requireUser(users, session.userId)
      return run(session.userId, call, { user, session })
    }
  }

  /** Runs one operation on a key. */
  function onKey(run: (userId: string, keyId: string, session: CallerSession) => Promise<Answer>): Handler {
    return asOwner((userId, { params }, { session }) => run(userId, params['keyId'] ?? '', session))
  }

  async function disable(userId: string, keyId: string): Promise<StoredApiKey> {
    const key = await store.setDisabled(userId, keyId, true)
    if (!key) throw notFound()
    await sessions.endAll(key)
    return key
  }

  return {
    create: asOwner(async (userId, { body }, owner) => {
      const name = nameOf(body)
      requireMayCreate(owner)
      const { stored, key } = await store.create(userId, name)
      // The user may have been deleted meanwhile, and the deletion did not see this key.
      if (!(await users.findById(userId))) {
        await store.remove(stored)
        throw userIsGone()
      }
      const { _id, ...others } = toAnswer(stored)
      return jsonAnswer({ _id, key, ...others }, 201)
    }),
    list: asOwner(async userId => jsonAnswer((await store.list(userId)).map(toAnswer))),
    find: onKey(async (userId, keyId) => {
      const key = await store.find(userId, keyId)
      if (!key) throw notFound()
      return jsonAnswer(toAnswer(key))
    }),
    enable: onKey(async (userId, keyId, { type }) => {
      if (type === 'server') throw forbidden('a session that began with an API key cannot enable API keys')
      if (!(await store.setDisabled(userId, keyId, false))) throw notFound()
      return emptyAnswer()
    }),
    disable: onKey(async (userId, keyId) => {
      await disable(userId, keyId)
      return emptyAnswer()
    }),
    remove: onKey(async (userId, keyId, { sid }) => {
      const key = await store.find(userId, keyId)
      if (key?.sessions.includes(sid) === true) throw forbidden('the API key of this session is in use')
      // A disabled key gets no further sessions, so none is left when the key is removed.
      await store.remove(await disable(userId, keyId))
      return emptyAnswer()
    }),
  }
}

function requireMayCreate({ user, session }: Owner): void {
  // A thief of a key could otherwise make keys that outlive the stolen one.
  if (session.type === 'server')
    throw forbidden('a session that began with an API key cannot create API keys')
  if (providersOf(user.identities).every(provider => provider === 'anon-user'))
    throw forbidden('an anonymous user cannot have API keys')
}

/** Exactly these members: the native clients take others for a mistake. */
function toAnswer({ _id, name, disabled }: StoredApiKey) {
  return { _id: _id.toHexString(), name, disabled }
}

function nameOf(body: Call['body']): string {
  // An empty name breaks the rule of names.
  const name = body['name'] === '' ? '' : requireText(body, 'name')
  if (!NAME.test(name)) throw new AppServicesError('InvalidParameter', NAME_RULE)
  return name
}

function notFound(): AppServicesError {
  return new AppServicesError('APIKeyNotFound', 'API key not found')
}

function forbidden(why: string): AppServicesError {
  return new AppServicesError('NoMatchingRuleFound', why)
}
