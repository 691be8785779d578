import type { Request } from 'express'
import { DeadlineError, withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError, toCallbackError } from '../errors.js'
import type { ErrorCode } from '../errors.js'
import { explainUnsafeValue } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import type { SessionOrigin } from '../sessions/session-document.js'
import type { Client } from './client.js'
import type { VerifiedUser } from './credentials.js'
import type { Writer } from '../writing/writer.js'
import type { Events } from '../events.js'
import { secretsOf } from '../util/request-secrets.js'
import { isThrown, toError } from '../util/thrown.js'

/** Makes the compiler keep literal types in the returned document: `{ language: 'fr' }` stays `'fr'`, and is no `string`. */
interface LiteralsKept {
  /** Nobody has this member, so no document has this type. Its name stands in the error about a document without known fields. */
  readonly [DOCUMENT_HAS_OTHER_FIELDS]: never
  readonly [name: string]: '' | 0 | boolean | LiteralsKept | readonly ('' | 0 | boolean | LiteralsKept)[]
}
declare const DOCUMENT_HAS_OTHER_FIELDS: unique symbol

/** Makes the compiler take a type from other options, and only compare it here. */
type NotInferred<T> = [T][T extends unknown ? 0 : never]

/** The result of `createCustomData`: fields of the document, `false` to refuse the login, or nothing. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a hook may have no `return`
type FirstDocument<Data> = Partial<NotInferred<Data>> | LiteralsKept | false | null | undefined | void

/**
 * Functions of the team that run at logins, refreshes, logouts and deletions. Hooks whose names begin with `after` run when
 * the answer is made, so they neither delay nor fail a request. An error of such a hook is the event `hook_failed`.
 *
 * `req` is the request of the route. It is `undefined` at calls of `authenticateLogin()`, `exchangeRefreshToken()`,
 * `endSession()` and `issueTokens()`. `client` is the same either way: the address and the device of the request, or those
 * that the call was given; `null` if unknown.
 *
 * @typeParam Data the documents of the collection
 * @example
 * hooks: {
 *   beforeLogin: (user, req, { address }) => !isBanned(user.id, address),
 *   createCustomData: () => ({ language: 'en' }),
 * }
 */
export interface Hooks<Data extends object = object> {
  /**
   * Runs before a session begins. `false` refuses the login as if the credentials were wrong. A `CustomUserDataError` that
   * it throws is the answer.
   */
  readonly beforeLogin?:
    ((user: VerifiedUser, req: Request | undefined, client: SessionOrigin) => unknown) | undefined
  /**
   * Runs before the first token of a user who has no document. The returned document is inserted for the user, with the
   * user id field added. It may run several times for one user: parallel first logins each call it, one of their documents is
   * inserted, and all get this document. So have no other effect in it, such as a welcome mail. A name of a field in the
   * document must not begin with `$` or contain a dot. If it returns nothing, nothing is inserted. It can refuse the login like
   * `beforeLogin`. Its type is that of the documents: with a `schema` that converts values, cast a stored value that has
   * another type.
   */
  readonly createCustomData?:
    | ((
        user: VerifiedUser,
        req: Request | undefined,
        client: SessionOrigin,
      ) => FirstDocument<Data> | Promise<FirstDocument<Data>>)
    | undefined
  /** Runs after a login. `issueTokens()` does not run it. */
  readonly afterLogin?:
    ((user: VerifiedUser, req: Request | undefined, client: SessionOrigin) => unknown) | undefined
  /** Runs after a refresh. */
  readonly afterRefresh?:
    ((user: VerifiedUser, req: Request | undefined, client: SessionOrigin) => unknown) | undefined
  /**
   * Runs after a user ended one session (`logout()`, `endSession()`, `DELETE` of `ownSessions()`) or all sessions
   * (`logoutAll()`).
   */
  readonly afterLogout?:
    ((user: VerifiedUser, req: Request | undefined, client: SessionOrigin) => unknown) | undefined
  /**
   * Runs after `forUser(id).delete()` removed a document, after `deleteSessions(id)` removed the documents of sessions, or after
   * `eraseUser(id)`. A repeated `deleteSessions(id)` that removes nothing does not run it.
   */
  readonly afterDelete?: ((user: VerifiedUser, deleted: 'customData' | 'sessions') => unknown) | undefined
}

/** The hooks that run after the answer to a client. */
type AfterHook = 'afterLogin' | 'afterRefresh' | 'afterLogout'

interface HooksConfig {
  readonly hooks: Hooks
  /** Milliseconds that a hook may take if the login waits for it. */
  readonly verifyCredentialsTimeoutMs: number
}

/** The calls to the hooks of one instance. */
export type HookCalls = ReturnType<typeof createHookCalls>

/**
 * Creates the calls to the hooks of one instance. A hook that runs before the answer gets its own object for the user, so
 * that it cannot change who logs in.
 */
export function createHookCalls(config: HooksConfig, writer: Pick<Writer, 'create'>, events: Events) {
  const { hooks, verifyCredentialsTimeoutMs: timeoutMs } = config

  function callLater(name: keyof Hooks, call: () => unknown, req?: Request): void {
    setImmediate(() => {
      Promise.resolve()
        .then(call)
        .catch((error: unknown) => {
          // The request's tokens and credentials must not be printed with an error.
          const secrets = req ? secretsOf(req, [], req.body) : []
          events.hookFailed({ hook: name, error: toError(error) }, secrets)
        })
    })
  }

  return {
    /** Whether the team gave the hook `beforeLogin`. */
    hasBeforeLogin: hooks.beforeLogin !== undefined,
    /** Resolves to whether the login may go on. */
    async beforeLogin(user: VerifiedUser, client: Client): Promise<boolean> {
      const { beforeLogin } = hooks
      if (!beforeLogin) return true
      const call = () => Promise.resolve(beforeLogin({ ...user }, client.req, toOrigin(client)))
      return (await callInTime('beforeLogin', timeoutMs, call)) !== false
    },
    /** The function that creates the user's first document. It rejects if the hook refuses the user. */
    creationFor(user: VerifiedUser, client: Client): (() => Promise<void>) | undefined {
      const { createCustomData } = hooks
      if (!createCustomData) return undefined
      return async () => {
        const call = () => Promise.resolve(createCustomData({ ...user }, client.req, toOrigin(client)))
        const made = await callInTime('createCustomData', timeoutMs, call)
        if (made === false) throw refused()
        if (made === undefined || made === null) return
        const isCreated = await insert(writer, user, made)
        if (isCreated) events.emit('written', { userId: user.id, by: 'createCustomData', change: 'create' })
      }
    },
    /** Calls a hook after the answer. */
    after(name: AfterHook, user: VerifiedUser, client: Client): void {
      const hook = hooks[name]
      if (hook) callLater(name, () => hook(user, client.req, toOrigin(client)), client.req)
    },
    /** Calls the hook `afterDelete`. */
    afterDelete(id: string, deleted: 'customData' | 'sessions'): void {
      const { afterDelete } = hooks
      if (afterDelete) callLater('afterDelete', () => afterDelete({ id }, deleted))
    },
  }
}

/** A new object without the request, because the hook may keep or change it. */
function toOrigin({ device, address }: Client): SessionOrigin {
  return { device, address }
}

/** The errors of an insert for which the document of the hook is to blame. */
const FAULTS_OF_DOCUMENTS: readonly ErrorCode[] = [
  'callback_failed',
  'custom_data_conflict',
  'custom_data_invalid',
  'custom_data_refused',
  'custom_data_too_large',
  'payload_too_large',
  'write_refused',
]

/** Resolves to whether the user had no document yet. */
async function insert(writer: Pick<Writer, 'create'>, user: VerifiedUser, made: unknown): Promise<boolean> {
  if (!isPlainObject(made)) {
    const message = 'createCustomData must return a document, false, or nothing.'
    throw new CustomUserDataError('callback_failed', message)
  }
  // MongoDB 5 and later store such names, but most operators cannot reach these fields.
  const fault = explainUnsafeValue(made)
  if (fault !== undefined) {
    const message = `createCustomData returned a document that cannot be inserted: ${fault}. Rename the field.`
    throw new CustomUserDataError('callback_failed', message)
  }
  try {
    return (await writer.create(user.id, made)) !== undefined
  } catch (error) {
    // MongoDB is away or misconfigured, so the document is not to blame.
    const ours = asCustomUserDataError(error)
    if (ours && !FAULTS_OF_DOCUMENTS.includes(ours.code)) throw ours
    throw new CustomUserDataError('callback_failed', 'The document of createCustomData cannot be inserted.', {
      cause: error,
    })
  }
}

/** Calls a function that a login waits for. Its errors are not shown to the client, and a timeout is a 503. */
export async function callInTime<T>(
  name: string,
  timeoutMs: number,
  callback: () => T | PromiseLike<T>,
): Promise<T> {
  try {
    return await withDeadline(timeoutMs, callback)
  } catch (cause) {
    throw isThrown(DeadlineError, cause) ? tooSlow(name, cause) : toCallbackError(name, cause)
  }
}

/** The one answer to a refused login. It does not tell why. */
export function refused(): CustomUserDataError {
  return new CustomUserDataError('invalid_credentials', 'The credentials are wrong.')
}

/** The message is for the log of the team: a client only gets the title of the code. */
function tooSlow(name: string, cause: unknown): CustomUserDataError {
  const message = `${name} took longer than "verifyCredentialsTimeoutMs".`
  return new CustomUserDataError('credentials_unavailable', message, { cause })
}
