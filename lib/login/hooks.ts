import type { Request } from 'express'
import { DeadlineError, withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError, toCallbackError } from '../errors.js'
import type { ErrorCode } from '../errors.js'
import { explainUnsafeValue } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import type { VerifiedUser } from './credentials.js'
import type { Writer } from '../writing/writer.js'
import type { Events } from '../events.js'
import { secretsOf } from '../util/request-secrets.js'
import { isThrown, toError } from '../util/thrown.js'

/**
 * Functions of the team that run at logins, refreshes, logouts and deletions. Hooks whose names begin with `after` run when
 * the answer is made, so they neither delay nor fail a request. An error of such a hook is the event `hook_failed`.
 *
 * @example
 * hooks: {
 *   beforeLogin: user => !bannedIds.has(user.id),
 *   createCustomData: () => ({ language: 'en' }),
 * }
 */
export interface Hooks {
  /**
   * Runs before a session begins. `false` refuses the login as if the credentials were wrong. A `CustomUserDataError` that
   * it throws is the answer.
   */
  readonly beforeLogin?: (user: VerifiedUser, req: Request) => unknown
  /**
   * Runs before the first token of a user who has no document. The returned document is inserted for the user, with the
   * user id field added. It may run several times for one user: parallel first logins each call it, one of their documents is
   * inserted, and all get this document. So have no other effect in it, such as a welcome mail. A name of a field in the
   * document must not begin with `$` or contain a dot. If it returns nothing, nothing is inserted. It can refuse the login like
   * `beforeLogin`. At a call of `issueTokens()` there is no request.
   */
  readonly createCustomData?: (user: VerifiedUser, req: Request | undefined) => unknown
  /** Runs after a login. */
  readonly afterLogin?: (user: VerifiedUser, req: Request) => unknown
  /** Runs after a refresh. */
  readonly afterRefresh?: (user: VerifiedUser, req: Request) => unknown
  /** Runs after a user ended one session (`logout()`, `DELETE` of `ownSessions()`) or all sessions (`logoutAll()`). */
  readonly afterLogout?: (user: VerifiedUser, req: Request) => unknown
  /**
   * Runs after `forUser(id).delete()` removed a document, after `deleteSessions(id)` removed the documents of sessions, or after
   * `eraseUser(id)`. A repeated `deleteSessions(id)` that removes nothing does not run it.
   */
  readonly afterDelete?: (user: VerifiedUser, deleted: 'customData' | 'sessions') => unknown
}

type AfterHook = Extract<keyof Hooks, `after${string}`>

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
  return {
    /** Whether the team gave the hook `beforeLogin`. */
    hasBeforeLogin: hooks.beforeLogin !== undefined,
    /** Resolves to whether the login may go on. */
    async beforeLogin(user: VerifiedUser, req: Request): Promise<boolean> {
      const { beforeLogin } = hooks
      if (!beforeLogin) return true
      const call = () => Promise.resolve(beforeLogin({ ...user }, req))
      return (await callInTime('beforeLogin', timeoutMs, call)) !== false
    },
    /** The function that creates the user's first document. It rejects if the hook refuses the user. */
    creationFor(user: VerifiedUser, req: Request | undefined): (() => Promise<void>) | undefined {
      const { createCustomData } = hooks
      if (!createCustomData) return undefined
      return async () => {
        const call = () => Promise.resolve(createCustomData({ ...user }, req))
        const made = await callInTime('createCustomData', timeoutMs, call)
        if (made === false) throw refused()
        if (made === undefined || made === null) return
        const isCreated = await insert(writer, user, made)
        if (isCreated) events.emit('written', { userId: user.id, by: 'createCustomData', change: 'create' })
      }
    },
    /** Calls a hook after the answer. */
    after<Name extends AfterHook>(name: Name, ...args: Parameters<NonNullable<Hooks[Name]>>): void {
      const hook = hooks[name] as ((...args: unknown[]) => unknown) | undefined
      if (!hook) return
      setImmediate(() => {
        Promise.resolve()
          .then(() => hook(...args))
          .catch((error: unknown) => {
            events.hookFailed({ hook: name, error: toError(error) }, secretsOfCall(args))
          })
      })
    },
  }
}

/** Most hooks get the request. Its tokens and credentials must not be printed with an error. */
function secretsOfCall([, req]: readonly unknown[]): string[] {
  if (typeof req !== 'object' || req === null) return []
  return secretsOf(req, [], (req as Partial<Request>).body)
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
export async function callInTime<T>(name: string, timeoutMs: number, callback: () => Promise<T>): Promise<T> {
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
