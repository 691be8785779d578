/** A server with Socket.IO, and another with ws. */
import type { IncomingMessage } from 'node:http'
import type { Socket as TcpSocket } from 'node:net'
import type { Server, Socket } from 'socket.io'
import type { WebSocketServer } from 'ws'

export { ServerResponse } from 'node:http'
export declare const io: Server
export declare const socket: Socket
/** Types of Node give listeners of "upgrade" a Duplex, because somebody could emit that event with another stream. */
export declare const server: {
  on: (event: 'upgrade', listener: (req: IncomingMessage, socket: TcpSocket, head: Buffer) => void) => void
}
export declare const sockets: WebSocketServer
/** What the client sent to log in. */
export declare const email: string
export declare const password: string
