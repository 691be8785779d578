import assert from 'node:assert/strict'
import type { Db } from 'mongodb'

/** An answer of the app. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Parsed if it is JSON, else the text. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each app answers in its own shape, and assertions check it
  readonly body: any
}

export interface Sent {
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

/** A client of the running app, and the database of the app. */
export interface Visit {
  readonly db: Db
  /** What the app has printed so far. */
  readonly printed: () => string
  send: (method: string, path: string, sent?: Sent) => Promise<Answer>
  /** Sends, and throws unless the answer has this status. */
  expect: (status: number, method: string, path: string, sent?: Sent) => Promise<Answer>
}

/** Creates the client. It keeps no cookies; redirects are answers. */
export function createVisit(url: string, db: Db, printed: () => string): Visit {
  async function send(
    method: string,
    path: string,
    { json, form, headers = {} }: Sent = {},
  ): Promise<Answer> {
    const response = await fetch(`${url}${path}`, {
      method,
      redirect: 'manual',
      signal: AbortSignal.timeout(30_000),
      headers: { ...(json !== undefined && { 'Content-Type': 'application/json' }), ...headers },
      ...(json !== undefined && { body: JSON.stringify(json) }),
      ...(form && { body: new URLSearchParams(form) }),
    })
    return { status: response.status, headers: response.headers, body: parse(await response.text()) }
  }
  return {
    db,
    printed,
    send,
    async expect(status, method, path, sent) {
      const answer = await send(method, path, sent)
      assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}\n${printed()}`)
      return answer
    },
  }
}

/** The Authorization header of an access token. */
export function bearer(token: string): Sent {
  return { headers: { Authorization: `Bearer ${token}` } }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}
