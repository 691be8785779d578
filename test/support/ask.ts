import { request } from 'node:http'
import { text } from 'node:stream/consumers'

/** The answer of a guarded route. */
export interface Answer {
  readonly status: number
  readonly body: string
}

/**
 * Sends a GET request with an access token. Uses `node:http`, which no test environment replaces, and keeps connections
 * alive, so that thousands of requests take seconds.
 */
export function ask(origin: string, path: string, token: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${origin}${path}`, { headers: { authorization: `Bearer ${token}` } })
    outgoing.on('response', incoming => {
      text(incoming).then(body => resolve({ status: incoming.statusCode ?? 0, body }), reject)
    })
    outgoing.on('error', reject).end()
  })
}
