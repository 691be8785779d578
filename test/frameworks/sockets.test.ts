import { once } from 'node:events'
import { createServer, ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo, Socket as TcpSocket } from 'node:net'
import { errorResponse } from 'express-custom-user-data'
import { Server } from 'socket.io'
import { io as connect } from 'socket.io-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { ALICE, CHALLENGE, forgedToken, tokenOfAlice, useAlice } from './alice.js'
import type { TestUserData } from './alice.js'

const createUserData = useAlice()

type User = Awaited<ReturnType<TestUserData['verifyToken']>>

async function listen(): Promise<{ server: ReturnType<typeof createServer>; port: number }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

describe('in a middleware of Socket.IO', () => {
  async function start() {
    const userData = createUserData()
    const { server, port } = await listen()
    const io = new Server<object, { me: (user: unknown) => void }, object, { user: User }>(server)
    onTestFinished(() => io.close())
    io.use((socket, next) => {
      userData.verifyToken(socket.handshake.auth['token'] as string | undefined).then(
        user => {
          socket.data.user = user
          next()
        },
        (error: unknown) => next(error as Error),
      )
    })
    io.on('connection', socket => {
      const { id, customData } = socket.data.user
      socket.emit('me', { id, customData })
    })
    const open = (auth: Record<string, unknown>) => {
      const client = connect(`http://127.0.0.1:${port}`, { auth, transports: ['websocket'] })
      onTestFinished(() => void client.close())
      return client
    }
    return { userData, open }
  }

  it('verifyToken() gives a socket its user', async () => {
    const { open } = await start()
    const client = open({ token: tokenOfAlice() })
    const me = await new Promise(resolve => client.once('me', resolve))
    expect(me).toEqual(ALICE)
  })

  it.each([
    ['no token', {}, 'missing_token'],
    ['a bad token', { token: forgedToken() }, 'invalid_token'],
    ['a value that is no text', { token: ['a'] }, 'invalid_token'],
  ])('a client with %s learns the code', async (_what, auth, code) => {
    const { open } = await start()
    const client = open(auth)
    const error = await new Promise<unknown>(resolve => client.once('connect_error', resolve))
    expect(error).toMatchObject({ data: { code } })
  })

  it('a client learns of a failure that may pass, and nothing of its cause', async () => {
    const { open, userData } = await start()
    await userData.close()
    const client = open({ token: tokenOfAlice() })
    const error = await new Promise<Error>(resolve => client.once('connect_error', resolve))
    expect(error).toMatchObject({ message: 'The server is shutting down.', data: { code: 'closed' } })
  })
})

it('in the recipe of the guide, a socket whose session ends before its connection is closed', async () => {
  const userData = createUserData()
  const { access_token: token, refresh_token } = await userData.issueTokens('alice')
  const { server, port } = await listen()
  const io = new Server(server)
  onTestFinished(() => io.close())
  io.use((socket, next) => {
    userData.verifyToken(socket.handshake.auth['token'] as string).then(({ id, claims }) => {
      void socket.join([`user:${id}`, `session:${claims.sid}`])
      next()
    }, next)
  })
  // Stands for a logout at this moment.
  io.use((_socket, next) => void userData.endSession(refresh_token).then(() => next(), next))
  io.on('connection', socket => {
    userData.verifyToken(socket.handshake.auth['token'] as string).catch(() => socket.disconnect(true))
  })
  userData.events.on('session_ended', ({ sid, userId }) => {
    io.in(sid === undefined ? `user:${userId}` : `session:${sid}`).disconnectSockets(true)
  })
  const client = connect(`http://127.0.0.1:${port}`, {
    auth: { token },
    transports: ['websocket'],
    reconnection: false,
  })
  onTestFinished(() => void client.close())
  const reason = await new Promise(resolve => client.once('disconnect', resolve))
  expect(reason).toBe('io server disconnect')
})

describe('at the upgrade of ws', () => {
  /** Answers an upgrade that is refused. Node gives it no response, so the answer is written to the connection. */
  function refuse(req: IncomingMessage, connection: TcpSocket, error: unknown): void {
    const { status, headers, body } = errorResponse(error) ?? { status: 500, headers: {}, body: {} }
    const res = new ServerResponse(req)
    res.assignSocket(connection)
    res.on('finish', () => connection.destroySoon())
    res.writeHead(status, { ...headers, Connection: 'close' }).end(JSON.stringify(body))
  }

  async function start() {
    const userData = createUserData()
    const { server, port } = await listen()
    const sockets = new WebSocketServer({ noServer: true })
    server.on('upgrade', (req, connection: TcpSocket, head) => {
      connection.on('error', () => connection.destroy())
      userData.verifyToken(req.headers.authorization?.replace(/^bearer +/i, '')).then(
        ({ id, customData }) => {
          sockets.handleUpgrade(req, connection, head, socket => {
            socket.send(JSON.stringify({ id, customData }))
          })
        },
        (error: unknown) => refuse(req, connection, error),
      )
    })
    const open = (token?: string) => {
      const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` }
      const client = new WebSocket(`ws://127.0.0.1:${port}`, { headers })
      onTestFinished(() => client.terminate())
      return client
    }
    /** The answer to an upgrade that is refused. */
    const refusal = async (token?: string) => {
      const client = open(token)
      client.on('error', () => undefined)
      const [, answer] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage]
      return { status: answer.statusCode, headers: answer.headers, body: await readJson(answer) }
    }
    return { userData, open, refusal }
  }

  it('verifyToken() gives a socket its user', async () => {
    const { open } = await start()
    const [message] = (await once(open(tokenOfAlice()), 'message')) as [Buffer]
    expect(JSON.parse(message.toString())).toEqual(ALICE)
  })

  it('errorResponse() is the whole answer: 401 with the challenge, and 503 with Retry-After', async () => {
    const { refusal, userData } = await start()
    expect(await refusal()).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': CHALLENGE, 'content-type': 'application/problem+json' },
      body: { code: 'missing_token' },
    })
    expect(await refusal(forgedToken())).toMatchObject({ status: 401, body: { code: 'invalid_token' } })
    await userData.close()
    expect(await refusal(tokenOfAlice())).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      body: { code: 'closed' },
    })
  })
})

async function readJson(answer: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString())
}
