import express from 'express'
import type { OwnDataOptions } from 'express-custom-user-data'
import request from 'supertest'
import { z } from 'zod'
import { beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { serve } from '../support/http-server.js'
import { sendRaw } from '../support/http.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let user: string
let users = 0
beforeEach(async () => {
  user = `user-${users++}`
  await database.db.collection('custom_user_data').insertOne({ userId: user, language: 'en' })
})

type Method = 'get' | 'head' | 'put' | 'patch' | 'post' | 'delete' | 'options'

function start(own: OwnDataOptions = { fields: ['language', 'address'] }) {
  const userData = createTestUserData(database)
  const app = express()
    .use(userData.authenticate())
    .use('/me', userData.ownData(own))
    .use(userData.errorHandler())
  const authorization = bearerOf(user)
  const send = (method: Method, headers: Record<string, string> = {}) =>
    request(app)
      [method]('/me')
      .set({ authorization, ...headers })
  const tag = async () => (await send('get')).headers['etag']!
  return { app, authorization, send, tag }
}

describe('GET and HEAD of ownData()', () => {
  it('answer 304 to a matching If-None-Match even with Cache-Control: no-cache, which fetch adds', async () => {
    const { app, authorization, send, tag } = start()
    const etag = await tag()
    for (const method of ['get', 'head'] as const) {
      const answer = await send(method, { 'if-none-match': etag, 'cache-control': 'no-cache' })
      expect(answer).toMatchObject({ status: 304, headers: { etag, 'cache-control': 'no-store' } })
    }
    const { origin, close } = await serve(app)
    try {
      const headers = { authorization, 'if-none-match': etag }
      expect((await fetch(`${origin}/me`, { headers })).status).toBe(304)
    } finally {
      await close()
    }
  })

  it('RFC 9110 13.1.1: are 412 if If-Match names other data, and 200 if it names theirs', async () => {
    const { send, tag } = start()
    const refused = await send('get', { 'if-match': '"other"' })
    expect(refused).toMatchObject({ status: 412, body: { code: 'precondition_failed' } })
    expect((await send('head', { 'if-match': '"other"' })).status).toBe(412)
    for (const condition of [await tag(), '*']) {
      expect((await send('get', { 'if-match': condition })).status).toBe(200)
    }
  })

  it('give 304 only for the format that they would send', async () => {
    const { send, tag } = start({ fields: ['language'], extendedJson: 'canonical' })
    await database.db
      .collection('custom_user_data')
      .updateOne({ userId: user }, { $set: { language: new Date(0) } })
    const etag = await tag()
    const accept = 'application/ejson'
    expect((await send('get', { 'if-none-match': etag })).status).toBe(304)
    const extended = await send('get', { 'if-none-match': etag, accept })
    expect(extended).toMatchObject({ status: 200, headers: { vary: /Accept/ as never } })
    const again = await send('get', { 'if-none-match': extended.headers['etag']!, accept })
    expect(again).toMatchObject({ status: 304, headers: { vary: /Accept/ as never } })
  })

  it('ignore dates, because the answers have none (RFC 9110 13.1.3, 13.1.4)', async () => {
    const { send } = start()
    const date = new Date(0).toUTCString()
    for (const name of ['if-modified-since', 'if-unmodified-since']) {
      expect((await send('get', { [name]: date })).status).toBe(200)
    }
  })
})

it.each(['put', 'patch'] as const)(
  'RFC 9110 13.2.1: a %s with an old tag is 412, also if its fields, their values or their types would be refused',
  async method => {
    const { send } = start({ schema: z.object({ language: z.enum(['en', 'de']) }) })
    const { send: sendPlain } = start()
    await database.db
      .collection('custom_user_data')
      .updateOne({ userId: user }, { $set: { address: new Date(0) } })
    const old = { 'if-match': '"old"' }
    expect((await send(method, old).send({ language: 'xx' })).status).toBe(412)
    expect((await sendPlain(method, old).send({ address: 'no date' })).status).toBe(412)
    expect((await send(method, old).send({ role: 'admin' })).status).toBe(412)
    expect((await send(method).send({ language: 'xx' })).status).toBe(422)
    expect((await send(method).send({ role: 'admin' })).status).toBe(400)
    expect((await sendPlain(method).send({ address: 'no date' })).status).toBe(422)
  },
)

describe('other methods of ownData()', () => {
  it.each(['post', 'delete'] as const)('are 405 with the methods that it takes: %s', async method => {
    const answer = await start().send(method)
    expect(answer).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } })
    expect(answer.headers['allow']).toBe('GET, HEAD, PATCH, PUT, OPTIONS')
  })

  it('include OPTIONS, which tells the methods and the media types of PATCH (RFC 5789 3.1)', async () => {
    const answer = await start({ fields: ['language'], extendedJson: 'relaxed' }).send('options')
    expect(answer.status).toBe(204)
    expect(answer.headers).toMatchObject({
      allow: 'GET, HEAD, PATCH, PUT, OPTIONS',
      'accept-patch': 'application/json, application/ejson',
    })
  })

  it('are not those of other paths', async () => {
    const { app, authorization } = start()
    expect((await request(app).post('/me/else').set({ authorization })).status).toBe(404)
  })
})

describe.each(['PUT', 'PATCH'])('%s of ownData() with a body that cannot be read', method => {
  const sendBody = (headers: string[]) => {
    const { app, authorization } = start()
    const all = ['Authorization', authorization, ...headers]
    return sendRaw(app, { method, headers: all, chunks: ['{"language":"de"}'] })
  }

  it('names the media types that it takes (RFC 5789 2.2)', async () => {
    const { status, headers } = await sendBody(['Content-Type', 'application/merge-patch+json'])
    expect(status).toBe(415)
    expect(headers).toMatchObject({ accept: 'application/json', 'accept-patch': 'application/json' })
  })

  it.each(['utf-16le-bom', 'iso-8859-1', 'nonsense'])('is 415 for the charset %s', async charset => {
    const { status, headers, body } = await sendBody(['Content-Type', `application/json; charset=${charset}`])
    expect(status).toBe(415)
    expect(JSON.parse(body)).toMatchObject({ code: 'unsupported_media_type', detail: /UTF-8/ as never })
    expect(headers).toMatchObject({ 'accept-patch': 'application/json' })
  })

  it('is 415 for an unknown content encoding, and names known ones (RFC 9110 12.5.3)', async () => {
    const type = ['Content-Type', 'application/json']
    const { status, headers } = await sendBody([...type, 'Content-Encoding', 'compress'])
    expect(status).toBe(415)
    expect(headers).toMatchObject({
      'accept-encoding': 'gzip, deflate',
      'accept-patch': 'application/json',
    })
  })
})

it('RFC 9110 14.5: a PUT with Content-Range is 400, because a part is not the whole', async () => {
  const { send } = start()
  const refused = await send('put', { 'content-range': 'bytes 0-5/10' }).send({ language: 'de' })
  expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
  const stored = await database.db.collection('custom_user_data').findOne({ userId: user })
  expect(stored).toMatchObject({ language: 'en' })
  // The header means nothing with other methods (RFC 9110 14.4).
  expect((await send('patch', { 'content-range': 'bytes 0-5/10' }).send({ language: 'de' })).status).toBe(200)
})

it('an object in a PATCH replaces the stored object, and is not merged into it', async () => {
  const { send } = start()
  await send('patch').send({ address: { city: 'Rome', street: 'Via Appia' } })
  const answer = await send('patch').send({ address: { city: 'Bari' } })
  expect(answer.body).toEqual({ language: 'en', address: { city: 'Bari' } })
})
