import { fork } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { Agent } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { MongoClientOptions } from 'mongodb'

const SCRIPT = fileURLToPath(new URL('service-process.js', import.meta.url))
/** The time in which a process must serve on a busy machine. */
const START_TIMEOUT_MS = 60_000
/** The time limit of an answer. */
const ANSWER_TIMEOUT_MS = 60_000

/** How a process is started. */
export interface ServiceSettings {
  readonly uri: string
  readonly database: string
  /** Further options of the instance. */
  readonly options?: Readonly<Record<string, unknown>>
  readonly clientOptions?: MongoClientOptions
}

/** An answer. Its status is 0 if the connection ended without one. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Readonly<Record<string, unknown>>
}

/** A process of the service. */
export interface Service {
  readonly post: (path: string, body: object, headers?: Record<string, string>) => Promise<Answer>
  readonly get: (path: string, accessToken?: string) => Promise<Answer>
  /** Logs in and resolves to the refresh token. */
  readonly logIn: (user: string) => Promise<string>
  readonly refresh: (refreshToken: string) => Promise<Answer>
  /** How often each event came. */
  readonly counts: () => Promise<Record<string, number>>
  /** Moves its clock. */
  readonly advance: (ms: number) => Promise<void>
  /** Sends SIGKILL and resolves when the process has ended. */
  readonly kill: () => Promise<void>
}

/** Reads the refresh token of an answer. */
export function tokenOf({ status, body }: Answer): string {
  const { refresh_token: token } = body
  if (typeof token !== 'string')
    throw new Error(`No refresh token, status ${status}: ${JSON.stringify(body)}`)
  return token
}

/** Asks again after a 503, because a busy machine may miss a deadline, which is not a fault of sessions. */
export async function patiently(ask: () => Promise<Answer>): Promise<Answer> {
  for (let n = 0; n < 20; n++) {
    const answer = await ask()
    if (answer.status !== 503) return answer
  }
  return ask()
}

/** Starts a process and waits until it serves. */
export async function startService(settings: ServiceSettings): Promise<Service> {
  const env = { ...process.env, SERVICE: JSON.stringify(settings) }
  const child = fork(SCRIPT, { env, execArgv: [] })
  const ended = once(child, 'exit')
  const signal = AbortSignal.timeout(START_TIMEOUT_MS)
  const started = once(child, 'message', { signal }) as Promise<[{ port: number }]>
  const failed = ended.then(([code]) => {
    throw new Error(`The service ended with ${String(code)} before it served.`)
  })
  const [{ port }] = await Promise.race([started, failed])
  failed.catch(() => undefined)

  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const post: Service['post'] = (path, body, headers = {}) => send(agent, { port, path, body, headers })
  const refresh = (token: string) => post('/refresh', { refresh_token: token })
  return {
    post,
    get: (path, accessToken) =>
      send(agent, { port, path, headers: accessToken ? { authorization: `Bearer ${accessToken}` } : {} }),
    logIn: async user => tokenOf(await patiently(() => post('/login', { user }))),
    refresh,
    counts: async () =>
      (await send(agent, { port, path: '/counts', headers: {} })).body as Record<string, number>,
    advance: async ms => {
      await post('/advance', { ms })
    },
    kill: async () => {
      child.kill('SIGKILL')
      await ended
      agent.destroy()
    },
  }
}

interface Outgoing {
  readonly port: number
  readonly path: string
  readonly headers: Record<string, string>
  readonly body?: object
}

function send(agent: Agent, { port, path, headers, body }: Outgoing): Promise<Answer> {
  const method = body ? 'POST' : 'GET'
  const content = body && { 'content-type': 'application/json' }
  return new Promise(resolve => {
    const lost = () => resolve({ status: 0, headers: {}, body: {} })
    const sent = request({
      agent,
      host: '127.0.0.1',
      port,
      path,
      method,
      headers: { ...headers, ...content },
    })
    sent.setTimeout(ANSWER_TIMEOUT_MS, () => sent.destroy())
    sent.on('error', lost)
    sent.on('response', response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', lost)
      response.on('close', () => {
        if (!response.complete) {
          lost()
          return
        }
        const text = Buffer.concat(chunks).toString()
        const { statusCode: status = 0, headers } = response
        resolve({ status, headers, body: text.startsWith('{') ? (JSON.parse(text) as Answer['body']) : {} })
      })
    })
    sent.end(body && JSON.stringify(body))
  })
}
