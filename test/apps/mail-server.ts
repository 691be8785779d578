import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** A mail server (RFC 5321) that accepts every message and drops it, for apps that send mail before they answer. */
export async function startMailServer(): Promise<{ port: number; close: () => void }> {
  const server = createServer(serve).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => server.close() }
}

function serve(socket: Socket): void {
  let isMessage = false
  socket.on('error', () => socket.destroy())
  socket.write('220 ready\r\n')
  createInterface(socket).on('line', line => {
    if (isMessage && line !== '.') return
    isMessage = line === 'DATA'
    socket.write(isMessage ? '354 go on\r\n' : '250 done\r\n')
    if (line === 'QUIT') socket.end()
  })
}
