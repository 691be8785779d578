import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import express from 'express'
import type { Request } from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import request from 'supertest'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { serve } from '../support/http-server.js'
import { ALICE, CHALLENGE, tokenOfAlice, useAlice } from './alice.js'

const createUserData = useAlice()

/** A service behind the proxy. It answers with what it was sent. */
async function startUpstream() {
  const upgrades: IncomingMessage[] = []
  const upstream = await serve((req, res) => {
    let body = ''
    req.on('data', (chunk: Buffer) => (body += chunk.toString()))
    req.on('end', () => {
      res.setHeader('Content-Type', 'application/json')
      res.end(JSON.stringify({ user: req.headers['x-user'], authorization: req.headers.authorization, body }))
    })
  })
  onTestFinished(upstream.close)
  return { ...upstream, upgrades }
}

async function start() {
  const userData = createUserData()
  const upstream = await startUpstream()
  const proxy = createProxyMiddleware<Request>({
    target: upstream.origin,
    on: {
      proxyReq(outgoing, req) {
        const { id, customData } = userData.user(req)
        // Replaces what the client may have sent under this name.
        outgoing.setHeader('X-User', encodeURIComponent(JSON.stringify({ id, customData })))
        outgoing.removeHeader('Authorization')
      },
    },
  })
  const app = express().use('/api', userData.authenticate(), proxy).use(userData.errorHandler())
  return { userData, app }
}

describe('http-proxy-middleware behind the guard', () => {
  it('gives the user to the service, with the body of the request, and keeps the token', async () => {
    const { app } = await start()
    const answer = await request(app)
      .post('/api/things')
      .set('Authorization', `Bearer ${tokenOfAlice()}`)
      .set('X-User', 'mallory')
      .send({ a: 1 })
    expect(answer.status).toBe(200)
    expect(JSON.parse(decodeURIComponent(String(answer.body.user)))).toEqual(ALICE)
    expect(answer.body).toEqual({ user: expect.any(String), body: '{"a":1}' })
  })

  it('leaves the answer of the service private', async () => {
    const { app } = await start()
    const answer = await request(app).get('/api').set('Authorization', `Bearer ${tokenOfAlice()}`)
    expect(answer.headers).toMatchObject({
      'cache-control': 'private, no-cache',
      vary: expect.stringContaining('Authorization'),
    })
  })

  it('sends nothing to the service without a token', async () => {
    const { app } = await start()
    const answer = await request(app).get('/api').set('X-User', 'mallory')
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toBe(CHALLENGE)
  })
})

describe('an upgrade that http-proxy-middleware passes on', () => {
  it('goes past the guard of Express, so verifyToken() has to look at it', async () => {
    const userData = createUserData()
    const reached: IncomingMessage[] = []
    const upstream = createServer()
    upstream.on('upgrade', (req: IncomingMessage, connection: Socket) => {
      reached.push(req)
      connection.destroy()
    })
    await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void upstream.close())
    const { port } = upstream.address() as { port: number }
    const proxy = createProxyMiddleware({ target: `http://127.0.0.1:${port}` })

    const front = createServer(express().use(userData.authenticate(), proxy))
    front.on('upgrade', (req, connection: Socket, head: Buffer) => {
      userData.verifyToken(req.headers.authorization?.replace(/^bearer +/i, '')).then(
        () => proxy.upgrade(req as Request, connection, head),
        () => connection.destroy(),
      )
    })
    await new Promise<void>(resolve => front.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void front.close())
    const url = `ws://127.0.0.1:${(front.address() as { port: number }).port}`

    const ended = (headers: Record<string, string>) =>
      new Promise<void>(resolve => {
        const client = new WebSocket(url, { headers })
        client.on('error', () => resolve())
      })
    await ended({})
    expect(reached).toHaveLength(0)
    await ended({ Authorization: `Bearer ${tokenOfAlice()}` })
    expect(reached).toHaveLength(1)
  })
})
