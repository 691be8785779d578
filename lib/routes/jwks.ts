import type { RequestHandler } from 'express'

/** Seconds for which other servers may cache the set. A new key should sign only after that time. */
const MAX_AGE_SECONDS = 600

/** Creates the route that publishes the public keys (RFC 7517 section 5), for example as `GET /.well-known/jwks.json`. */
export function createJwksRoute(toJwkSet: () => { readonly keys: readonly object[] }): RequestHandler {
  return function jwks(req, res) {
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.status(405).set('Allow', 'GET, HEAD').end()
      return
    }
    res.set('Cache-Control', `public, max-age=${MAX_AGE_SECONDS}`)
    res.type('application/jwk-set+json').send(JSON.stringify(toJwkSet()))
  }
}
