import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Collection } from 'mongodb'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createTestUserData, forgeToken } from '../support/user-data.js'

/** The route of server-sent events as docs/live-changes.md has it, on a real server and a real MongoDB. */

const database = useDatabase()
let documents: Collection
beforeEach(async () => {
  documents = database.db.collection('custom_user_data')
  await documents.deleteMany({})
})

async function serve(changeStreams: 'auto' | 'off' = 'auto') {
  const userData = createTestUserData(database, { changeStreams })
  await userData.ready()
  const app = express()
  app.use(userData.authenticate())
  app.get('/me/changes', async (req, res, next) => {
    try {
      const ending = new AbortController()
      res.on('close', () => {
        ending.abort()
      })
      const changes = await userData.forUser(userData.user(req).id).watch({ signal: ending.signal })
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' }).flushHeaders()
      for await (const change of changes) res.write(`data: ${JSON.stringify(change)}\n\n`)
      res.end()
    } catch (error) {
      next(error)
    }
  })
  app.use(userData.errorHandler())
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await userData.close()
  })
  return { userData, port: (server.address() as AddressInfo).port }
}

async function open(port: number): Promise<IncomingMessage> {
  const headers = { Authorization: `Bearer ${forgeToken()}` }
  const request = get({ host: '127.0.0.1', port, path: '/me/changes', headers, agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return response.setEncoding('utf8')
}

async function nextEvent(response: IncomingMessage): Promise<unknown> {
  const [text] = (await once(response, 'data')) as [string]
  expect(text).toMatch(/^data: .*\n\n$/)
  return JSON.parse(text.slice('data: '.length))
}

it('a client that has got 200 gets every later change, and its watch ends when it leaves', async () => {
  const { userData, port } = await serve()
  const response = await open(port)
  expect(response.statusCode).toBe(200)
  await documents.insertMany([{ userId: 'bob' }, { _id: 1 as never, userId: 'alice', since: new Date(0) }])
  expect(await nextEvent(response)).toEqual({
    operationType: 'insert',
    documentId: 1,
    document: { _id: 1, userId: 'alice', since: '1970-01-01T00:00:00.000Z' },
  })
  await documents.updateOne({ userId: 'alice' }, { $set: { theme: 'dark' } })
  expect(await nextEvent(response)).toMatchObject({ updatedFields: { theme: 'dark' } })
  expect(userData.stats().watches).toBe(1)
  response.destroy()
  await expect.poll(() => userData.stats().watches).toBe(0)
})

it('close() ends the connection of a client whose watch is open', async () => {
  const { userData, port } = await serve()
  const response = await open(port)
  const ended = new Promise<void>(resolve => {
    response.on('error', () => undefined)
    response.on('close', resolve)
  })
  response.resume()
  await userData.close()
  await ended
  expect(response.complete).toBe(false)
})

it('without change streams the answer is 503 with the code changes_unavailable', async () => {
  const { port } = await serve('off')
  const response = await open(port)
  expect(response.statusCode).toBe(503)
  expect(response.headers['retry-after']).toBe('1')
  const [text] = (await once(response, 'data')) as [string]
  expect(JSON.parse(text)).toMatchObject({ code: 'changes_unavailable' })
})
