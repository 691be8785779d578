import type { Request } from 'express'
import { DeadlineError, withDeadline } from '../util/deadline.js'
import { CustomUserDataError, toCallbackError } from '../errors.js'
import { isPlainObject } from '../util/plain-object.js'
import type { Writer } from '../writing/writer.js'
import type { Events } from '../events.js'
import { isThrown, toError } from '../util/thrown.js'

/** Whom credentials or tokens belong to. */
export interface VerifiedUser {
  /** The user's id, as it stands in the user id field. */
  readonly id: string
}

/**
 * Functions of the team's around logins, refreshes and what ends them. Those whose names begin with `after` run when
 * the answer was made, and delay and fail nobody's request: what they throw is the event `hook_failed`.
 */
export interface Hooks {
  /** Before anything is issued: `false` refuses the login as if the credentials were wrong; a `CustomUserDataError` that it
   *  throws is the answer. */
  readonly beforeLogin?: (user: VerifiedUser, req: Request) => unknown
  /** Before the first token of a user who has no document: what it returns is inserted for the user, who need not be in
   *  it, and is in the token's answer; of parallel first logins one inserts. Nothing returned: nothing is inserted.
   *  It refuses as `beforeLogin` does. Without a request where `issueTokens()` was called. */
  readonly createCustomData?: (user: VerifiedUser, req: Request | undefined) => unknown
  /** After a login. */
  readonly afterLogin?: (user: VerifiedUser, req: Request) => unknown
  /** After a refresh. */
  readonly afterRefresh?: (user: VerifiedUser, req: Request) => unknown
  /** After a request of the user's ended a session (`logout()`, `DELETE` of `ownSessions()`), or all (`logoutAll()`). */
  readonly afterLogout?: (user: VerifiedUser, req: Request) => unknown
  /** After `forUser(id).delete()` removed the user's document, or `deleteSessions(id)` the user's sessions. */
  readonly afterDelete?: (user: VerifiedUser, deleted: 'customData' | 'sessions') => unknown
}

/** The names of hooks that run when all is done. */
type AfterHook = Extract<keyof Hooks, `after${string}`>

/** What calling hooks needs to know. */
export interface HooksConfig {
  readonly hooks: Hooks
  /** Milliseconds that a hook may take which a login waits for. */
  readonly verifyCredentialsTimeoutMs: number
}

/** Calls the team's hooks. Those that run before the answer get a copy of the user, so that they cannot change who it is. */
export interface HookCalls {
  /** Whether the login may go on. */
  beforeLogin: (user: VerifiedUser, req: Request) => Promise<boolean>
  /** What makes a user's first document, where the team makes one. It rejects where it refuses the user. */
  creationFor: (user: VerifiedUser, req: Request | undefined) => (() => Promise<void>) | undefined
  /** Calls a hook once the answer is on its way. */
  after: <Name extends AfterHook>(name: Name, ...args: Parameters<NonNullable<Hooks[Name]>>) => void
}

/** Creates the calls to one instance's hooks. */
export function createHookCalls(
  config: HooksConfig,
  writer: Pick<Writer, 'create'>,
  events: Events,
): HookCalls {
  const { hooks, verifyCredentialsTimeoutMs: timeoutMs } = config
  return {
    async beforeLogin(user, req) {
      const { beforeLogin } = hooks
      if (!beforeLogin) return true
      return (
        (await callInTime('beforeLogin', timeoutMs, () => Promise.resolve(beforeLogin({ ...user }, req)))) !==
        false
      )
    },
    creationFor(user, req) {
      const { createCustomData } = hooks
      if (!createCustomData) return undefined
      return async () => {
        const call = () => Promise.resolve(createCustomData({ ...user }, req))
        const made = await callInTime('createCustomData', timeoutMs, call)
        if (made === false) throw refused()
        if (made !== undefined && made !== null) await insert(writer, user, made)
      }
    },
    after(name, ...args) {
      const hook = hooks[name] as ((...args: unknown[]) => unknown) | undefined
      if (!hook) return
      setImmediate(() => {
        Promise.resolve()
          .then(() => hook(...args))
          .catch((error: unknown) => {
            events.emit('hook_failed', { hook: name, error: toError(error) })
          })
      })
    },
  }
}

async function insert(writer: Pick<Writer, 'create'>, user: VerifiedUser, made: unknown): Promise<void> {
  if (!isPlainObject(made)) {
    const message = 'createCustomData must return a document, false, or nothing.'
    throw new CustomUserDataError('callback_failed', message)
  }
  try {
    await writer.create(user.id, made)
  } catch (error) {
    // Of time, and not of the document.
    if ((error as { readonly status?: unknown }).status === 503) throw error
    throw new CustomUserDataError('callback_failed', 'The document of createCustomData cannot be inserted.', {
      cause: error,
    })
  }
}

/** Calls what a login waits for: what it throws is not sent, and what does not settle is a 503. */
export async function callInTime<T>(name: string, timeoutMs: number, callback: () => Promise<T>): Promise<T> {
  try {
    return await withDeadline(timeoutMs, callback)
  } catch (cause) {
    throw isThrown(DeadlineError, cause) ? tooSlow(cause) : toCallbackError(name, cause)
  }
}

/** The one answer to credentials that do not let in, whatever the reason. */
export function refused(): CustomUserDataError {
  return new CustomUserDataError('invalid_credentials', 'The credentials are wrong.')
}

function tooSlow(cause: unknown): CustomUserDataError {
  return new CustomUserDataError('credentials_unavailable', 'Credentials could not be checked in time.', {
    cause,
  })
}
