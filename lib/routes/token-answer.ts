import type { Request, Response } from 'express'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { callInTime } from '../login/hooks.js'
import type { Deliver } from '../login/token-issuer.js'
import type { AnswerTokens } from '../types.js'
import type { RefreshTransport } from './refresh-transport.js'
import { noteCookies } from './response-cookies.js'
import { answeredAlready } from './token-endpoint.js'
import type { AnswerBody } from './token-endpoint.js'

/** Makes the body of an answer from the tokens. */
export type AnswerCallback = (tokens: AnswerTokens<object>, req: Request) => unknown

interface TokenAnswerConfig {
  /** The name of the route. Only a login replaces cookies of earlier sessions. */
  readonly name: 'login' | 'refresh'
  readonly transport: RefreshTransport
  /** Absent for the body of RFC 6749 section 5.1. */
  readonly answer: AnswerCallback | undefined
  /** Milliseconds that `answer` may take. */
  readonly timeoutMs: number
}

/** A request whose answer has tokens. */
interface TokenRequest {
  readonly req: Request
  readonly res: Response
  /** Gets the tokens, so that no report of a failure has them. */
  readonly secrets: string[]
}

/**
 * Creates the function that runs a login or a refresh whose `deliver` sets the cookies and makes the body of the answer.
 * Nothing is sent yet. If the run rejects, then or later, the answer has the cookies from before.
 */
export function createTokenAnswer({ name, transport, answer, timeoutMs }: TokenAnswerConfig) {
  async function toBody(tokens: AnswerTokens<object>, req: Request, res: Response): Promise<unknown> {
    if (!answer) {
      requireJson(`${name}(): the setting "json replacer"`, tokens, res)
      return tokens
    }
    const call = `${name}(): answer`
    // A copy, because the callback may change its object.
    const own = { ...tokens, user: { ...tokens.user } }
    const body = await callInTime(call, timeoutMs, () => answer(own, req)).catch((error: unknown) => {
      throw toFailure(call, error)
    })
    if (res.headersSent) throw answeredAlready(name)
    requireJson(call, body, res)
    return body
  }

  return async (
    { req, res, secrets }: TokenRequest,
    run: (deliver: Deliver) => Promise<unknown>,
  ): Promise<AnswerBody | undefined> => {
    let given: AnswerBody | undefined
    let restore = (): void => undefined
    const deliver: Deliver = async issued => {
      secrets.push(issued.answer.access_token, issued.answer.refresh_token)
      restore = noteCookies(res)
      if (name === 'login') transport.clearReplaced(res)
      const body = await toBody(transport.hand(res, issued), req, res)
      given = { body, userId: issued.answer.user.id }
    }
    try {
      await run(deliver)
      return given
    } catch (error) {
      restore()
      throw error
    }
  }
}

/**
 * The callback cannot refuse a user whose tokens were issued, so an error that it throws as a refusal is a failure too. A
 * failure of the server, such as a MongoDB that does not answer, stays as it is.
 */
function toFailure(call: string, error: unknown): CustomUserDataError {
  const ours = asCustomUserDataError(error)
  if (ours && ours.status >= 500) return ours
  return new CustomUserDataError('callback_failed', `${call} failed.`, { cause: error })
}

/**
 * Called before the session begins, because `res.json()` would fail after it. The text is not sent: apps replace `res.json()`,
 * for example to rename fields.
 */
function requireJson(call: string, body: unknown, res: Response): void {
  if (toJson(call, body, res) !== undefined) return
  const message = `${call} returned a value of the type ${typeof body}. Return the body, a value that JSON can express.`
  throw new CustomUserDataError('callback_failed', message)
}

/** `undefined` for values that have no JSON, such as functions. The types of TypeScript do not tell so. */
function toJson(call: string, body: unknown, { app }: Response): string | undefined {
  try {
    // The app's own replacer, as `res.json()` calls it, may express values that have no JSON, and may throw.
    return JSON.stringify(body, app.get('json replacer') as Replacer)
  } catch (cause) {
    const message = `${call} returned a value that JSON cannot express.`
    throw new CustomUserDataError('callback_failed', message, { cause })
  }
}

type Replacer = ((this: unknown, name: string, value: unknown) => unknown) | undefined
