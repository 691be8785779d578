import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Requests under way when the server closes may take this long to end. */
const DRAIN_MS = 1_000

/** Listens on a loopback port; 0 picks a free one. Rejects where the port cannot be had. */
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

/** The address that a server listens on, as `http://127.0.0.1:3000`. */
export function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Takes no more connections, lets requests under way end, and closes connections that are only kept alive. */
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
