import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The libraries of a consumer's app. */
export const { MONGODB_URI = '', MONGODB_DATABASE = '' } = process.env

/** Options for a machine that is busy compiling other consumers. */
export const PATIENT = { loadTimeoutMs: 20_000, sessionTimeoutMs: 20_000 }

/** Serves an app for one visit: logs in as this user, and returns what `GET /me` then answers. */
export async function loginAndReadMe(app: RequestListener, id: string): Promise<unknown> {
  return serve(app, origin => readMe(origin, id))
}

/** The app id of clients of App Services. */
export const APP_ID = 'application-0-abcde'

/** Serves an app whose path /realm speaks the protocol of App Services. Logs in anonymously, and returns the user's id. */
export async function logInAnonymously(app: RequestListener): Promise<string> {
  const path = `/realm/api/client/v2.0/app/${APP_ID}/auth/providers/anon-user/login`
  const answer = await serve(app, origin => fetchJson(origin + path, { method: 'POST' }))
  return (answer as { user_id: string }).user_id
}

async function serve<T>(app: RequestListener, visit: (origin: string) => Promise<T>): Promise<T> {
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    return await visit(`http://127.0.0.1:${port}`)
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

async function readMe(origin: string, id: string): Promise<unknown> {
  const answer = await fetchJson(`${origin}/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ username: id }),
  })
  const { access_token } = answer as { access_token: string }
  return fetchJson(`${origin}/me`, { headers: { Authorization: `Bearer ${access_token}` } })
}

async function fetchJson(url: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(url, init)
  const body = await response.text()
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${body}`)
  return JSON.parse(body)
}
