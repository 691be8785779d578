import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server on a free port of this machine. */
export interface LoopbackServer {
  readonly port: number
  readonly url: string
  close(): void
}

/** A server that no guard may request. */
export interface Trap extends LoopbackServer {
  hits(): number
}

/** More than Node's limit of 16 kB, so that long headers reach the guard. */
const MAX_HEADER_BYTES = 512 * 1024

/** Serves a listener, for example an Express app. */
export async function serve(listener: RequestListener): Promise<LoopbackServer> {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  return { port, url: `http://127.0.0.1:${port}`, close }
}

/** Starts the server to which the attackers' tokens point. It answers with the attackers' key set. */
export async function startTrap(keySet: object): Promise<Trap> {
  let hits = 0
  const server = await serve((_req, res) => {
    hits++
    res.setHeader('Content-Type', 'application/json').end(JSON.stringify(keySet))
  })
  return { ...server, hits: () => hits }
}
