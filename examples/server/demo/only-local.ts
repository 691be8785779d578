import type { RequestHandler, Response } from 'express'

/** The addresses at which only programs of this machine reach a server. */
const LOOPBACK = ['127.0.0.1', '::1', '::ffff:127.0.0.1']
/** The names that a browser of this machine has for them. */
const LOCAL_HOST = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/i

/**
 * Refuses requests that come over a network. It also refuses other names of this machine, because a foreign site can make
 * its own name lead to 127.0.0.1 (DNS rebinding).
 */
export const onlyFromThisMachine: RequestHandler = (req, res, next) => {
  if (!LOOPBACK.includes(req.socket.localAddress ?? '')) {
    refuse(res, 403, 'The page is only for a server on loopback, because it changes data without a login.')
  } else if (!LOCAL_HOST.test(req.headers.host ?? '')) {
    refuse(res, 403, 'This is not a name of this machine. Open the page at 127.0.0.1 or localhost.')
  } else next()
}

/** Refuses requests that pages of other origins send. Programs such as curl send neither of the two headers. */
export const onlyFromThisPage: RequestHandler = (req, res, next) => {
  const { origin, host, 'sec-fetch-site': site } = req.headers
  const isOwnOrigin = origin === undefined || origin === `http://${host ?? ''}`
  // The browser says `none` if the user typed the address.
  const isOwnSite = site === undefined || site === 'same-origin' || site === 'none'
  if (isOwnOrigin && isOwnSite) next()
  else refuse(res, 403, 'A page of another origin sent this request. Only the page of this server may.')
}

/** Answers with problem details, as the error handler of the app does. */
export function refuse(res: Response, status: number, detail: string): void {
  res.status(status).type('application/problem+json').send(JSON.stringify({ status, detail }))
}
