import type { RequestHandler } from 'express'
import { CustomUserDataError } from '../errors.js'

/** The refusal of a method that a route does not take (RFC 9110 15.5.6), with the methods that it takes. */
export function methodNotAllowed(allowed: string): CustomUserDataError {
  const error = new CustomUserDataError('method_not_allowed', `Use ${allowed.replace(/, OPTIONS$/, '')}.`)
  error.headers['Allow'] = allowed
  return error
}

/**
 * Creates the handler of the methods that the handlers before it do not take. It answers OPTIONS itself, since Express does so
 * only for a path without a handler of all methods.
 *
 * @param headers more headers of the answer to OPTIONS
 */
export function answerMethods(
  allowed: string,
  headers: Readonly<Record<string, string>> = {},
): RequestHandler {
  return (req, res, next) => {
    if (req.method === 'OPTIONS')
      res
        .set({ Allow: allowed, ...headers })
        .status(204)
        .end()
    else next(methodNotAllowed(allowed))
  }
}
