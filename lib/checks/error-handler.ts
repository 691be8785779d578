import type { Response } from 'express'
import type { WarningEvent } from '../events.js'
import { toShownPath } from '../util/request-path.js'
import type { Refusal } from './request-check.js'

/** The headers that every answer of the handler at the end of Express has (the module `finalhandler`). */
const DEFAULT_HEADERS = {
  'content-security-policy': "default-src 'none'",
  'x-content-type-options': 'nosniff',
  'content-type': 'text/html; charset=utf-8',
}

/**
 * Checks whether an error of this instance reaches the end of the app, so that Express answers it with an HTML page. It looks
 * when the answer is sent, because a framework may end errors in its own way. An app with error handlers of its own gets no
 * warning: one of them may pass errors on by intention.
 */
export function watchErrorHandler(
  { req, res, error, handlers }: Refusal,
  warn: (find: () => WarningEvent | undefined) => void,
): void {
  if (typeof res?.once !== 'function') return
  const { app } = req
  res.once('finish', () => {
    warn(() => {
      if (!isDefaultAnswer(res, error.status)) return undefined
      const found = handlers.errorHandlersOf(app)
      if (found.some(kind => kind !== 'error handler')) return undefined
      const reason =
        found.length === 0 ? 'the app has no error handler' : 'errorHandler() stands above this route'
      const message =
        `${req.method} ${toShownPath(req)} failed with ${error.status} ${error.code}, and ${reason}. So Express answered with ` +
        'an HTML page, which shows the error unless NODE_ENV is production, and no failure is reported. Write ' +
        'app.use(userData.errorHandler()) below all routes, as the last line before app.listen().'
      return { code: 'error_handler_missing', message }
    })
  })
}

function isDefaultAnswer(res: Response, status: number): boolean {
  return (
    res.statusCode === status &&
    Object.entries(DEFAULT_HEADERS).every(([name, value]) => res.getHeader(name) === value)
  )
}
