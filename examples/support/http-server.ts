import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The time that running requests get when the server closes. */
const DRAIN_MS = 1_000

/** Listens on a loopback port. 0 picks a free one. Rejects if the port cannot be used. */
export async function listen(app: RequestListener, port: number): Promise<Server> {
  const server = createServer(app)
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    throw explain(error, port)
  }
  return server
}

/** The address of a server, such as `http://127.0.0.1:3000`. */
export function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Accepts no more connections, lets running requests end, and closes idle connections. */
export async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  const timer = setTimeout(() => {
    server.closeAllConnections()
  }, DRAIN_MS)
  await closed
  clearTimeout(timer)
}

function explain(error: unknown, port: number): unknown {
  if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) return error
  return new Error(
    `Port ${port} is in use: stop what listens there, or set PORT to another (0 picks a free one).`,
  )
}
