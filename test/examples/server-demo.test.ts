import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import express from 'express'
import type { Db } from 'mongodb'
import request from 'supertest'
import type { Test } from 'supertest'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { onlyFromThisMachine } from '../../examples/server/demo/only-local.js'
import { runExample, startExample } from '../support/run-example.js'
import type { Environment } from '../support/run-example.js'
import { idOf, logIn, MAIN } from './server-requests.js'

/** What the routes of the page answer. */
interface Seen {
  customData: { language?: string }
  ageMs: number
  servedFrom: string
  stats: { hits: number; loads: number }
}

const CHANGE = { language: 'de', timezone: 'Europe/Berlin', role: 'admin' }

describe('the page of the server example', () => {
  const server = shareServer({ DEMO_PAGE: 'on' })

  it('is at /, loads nothing from elsewhere, and cannot be framed', async () => {
    const { status, type, text, headers } = await request(server.url).get('/')
    expect([status, type]).toEqual([200, 'text/html'])
    expect(text).toContain('<title>Custom user data, live</title>')
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self'; /,
    )
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
    const sources = [...text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, source]) => source!)
    expect(sources.length).toBeGreaterThan(3)
    for (const source of sources) expect((await request(server.url).get(source)).status, source).toBe(200)
  })

  it('leaves every other path to the app, which asks for a token', async () => {
    for (const path of [
      '/me',
      '/index.html',
      '/demo',
      '/demo/nothing',
      '/demo/me/change-streams-on/max-age-1',
    ]) {
      expect((await request(server.url).get(path)).status, path).toBe(401)
    }
  })

  it('has routes that ask for a token, and a token of the app is valid at both instances', async () => {
    const { access_token } = await logIn(server.url, 'alice@example.com')
    for (const streams of ['on', 'off']) {
      for (const maxAge of ['none', '10s', '0']) {
        const path = `/demo/me/change-streams-${streams}/max-age-${maxAge}`
        expect((await request(server.url).get(path)).status, path).toBe(401)
        expect((await see(path, access_token)).customData.language, path).toBe('en')
      }
    }
  })

  it('tells whether a request was served from the cache, and how old its snapshot is', async () => {
    const { access_token } = await logIn(server.url, 'alice@example.com')
    const path = '/demo/me/change-streams-off/max-age'
    const first = await see(`${path}-none`, access_token)
    const second = await see(`${path}-none`, access_token)
    const third = await see(`${path}-0`, access_token)
    expect([first, second, third].map(({ servedFrom }) => servedFrom)).toEqual([
      'MongoDB',
      'cache',
      'MongoDB',
    ])
    expect(second.ageMs).toBeGreaterThan(first.ageMs)
    expect(second.stats.hits).toBe(first.stats.hits + 1)
    expect(third.stats.loads).toBe(first.stats.loads + 1)
  })

  it('is refused by any other name of the machine, which may be the name of a foreign site', async () => {
    for (const host of [
      'evil.example',
      'evil.example:3000',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
    ]) {
      for (const path of ['/', '/demo/main.js', '/demo/settings', '/demo/documents/alice']) {
        expect((await request(server.url).get(path).set('Host', host)).status, host + path).toBe(403)
      }
      expect((await put('alice', CHANGE).set('Host', host)).status, host).toBe(403)
    }
    expect((await request(server.url).get('/').set('Host', 'LOCALHOST:3000')).status).toBe(200)
    expect((await request(server.url).get('/').set('Host', '[::1]:3000')).status).toBe(200)
    expect(await stored('alice')).toMatchObject({ language: 'en' })
  })

  it('can be reached by a link of a foreign page, which cannot use its routes', async () => {
    const { host } = new URL(server.url)
    const foreign: Record<string, string>[] = [
      { Origin: 'https://evil.example' },
      { Origin: 'null' },
      { Origin: 'http://127.0.0.1:1' },
      { Origin: `https://${host}` },
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
    ]
    for (const headers of foreign) {
      expect((await request(server.url).get('/').set(headers)).status).toBe(200)
      expect((await request(server.url).get('/demo/documents/alice').set(headers)).status).toBe(403)
      expect((await put('alice', CHANGE).set(headers)).status, JSON.stringify(headers)).toBe(403)
    }
    expect(await stored('alice')).toMatchObject({ language: 'en' })
    const own = { Origin: server.url, 'Sec-Fetch-Site': 'same-origin' }
    expect((await put('alice', CHANGE).set(own)).status).toBe(200)
  })

  describe('changes a document', () => {
    it('of a user of the example, and answers with it', async () => {
      const { status, body } = await put('alice', CHANGE)
      expect([status, body.document]).toEqual([200, expect.objectContaining(CHANGE)])
      expect(await stored('alice')).toMatchObject({ ...CHANGE, dateOfBirth: new Date('1990-12-10') })
      const { body: read } = await request(server.url).get('/demo/documents/alice')
      expect(read).toEqual(body)
    })

    it('and removes a timezone that is missing', async () => {
      expect((await put('alice', { language: 'en', role: 'member' })).status).toBe(200)
      expect(await stored('alice')).not.toHaveProperty('timezone')
    })

    it('and creates the one of Carol, who has none', async () => {
      expect((await request(server.url).get('/demo/documents/carol')).body).toEqual({ document: null })
      expect((await put('carol', CHANGE)).status).toBe(200)
      expect(await stored('carol')).toMatchObject(CHANGE)
    })

    it.each(['mallory', 'alice@example.com', '__proto__', '%00', '..%2Falice'])(
      'of nobody else, such as %s',
      async name => {
        const before = await everything()
        expect((await put(name, CHANGE)).status).toBe(404)
        expect(await everything()).toEqual(before)
      },
    )

    it.each([
      ['an unknown field', { ...CHANGE, userId: 'somebody' }, 'no other fields'],
      ['an operator', { ...CHANGE, language: { $ne: '' } }, 'language: write a language tag'],
      ['markup', { ...CHANGE, language: '<b>' }, 'language: write a language tag'],
      ['a name that is no timezone', { ...CHANGE, timezone: 'a b' }, 'timezone: write a name'],
      ['another role', { ...CHANGE, role: 'owner' }, 'role: write "member" or "admin"'],
      ['a missing field', { language: 'de' }, 'role: write "member" or "admin"'],
      ['a list', [CHANGE], 'send JSON'],
    ])('unless there is %s', async (_title, body, detail) => {
      const before = await everything()
      const refused = await put('alice', body)
      expect([refused.status, refused.type]).toEqual([400, 'application/problem+json'])
      expect(JSON.parse(refused.text)).toMatchObject({ detail: expect.stringContaining(detail) })
      expect(await everything()).toEqual(before)
    })

    it('unless the body is not JSON, as a form of a foreign page, or is too long', async () => {
      const send = (type: string, body: string) =>
        request(server.url).put('/demo/documents/alice').set('Content-Type', type).send(body)
      expect((await send('text/plain', JSON.stringify(CHANGE))).status).toBe(400)
      expect((await send('application/json', '{"language"')).status).toBe(400)
      const long = JSON.stringify({ ...CHANGE, language: 'x'.repeat(3000) })
      expect((await send('application/json', long)).status).toBe(413)
    })
  })

  beforeEach(async () => {
    const ids = await Promise.all(['alice', 'carol'].map(name => idOf(server.db, `${name}@example.com`)))
    const profiles = server.db.collection('custom_user_data')
    const alice = { language: 'en', timezone: 'Europe/London', role: 'member' }
    await profiles.updateOne({ userId: ids[0] }, { $set: alice })
    await profiles.deleteMany({ userId: ids[1] })
  })

  function put(name: string, body: object): Test {
    return request(server.url).put(`/demo/documents/${name}`).send(body)
  }

  async function see(path: string, token: string): Promise<Seen> {
    const { status, body } = await request(server.url).get(path).auth(token, { type: 'bearer' })
    expect(status).toBe(200)
    return body as Seen
  }

  async function stored(name: string) {
    const userId = await idOf(server.db, `${name}@example.com`)
    return server.db.collection('custom_user_data').findOne({ userId })
  }

  function everything() {
    return server.db.collection('custom_user_data').find().toArray()
  }
})

describe('the documents of the page', () => {
  it.each([
    ['are not shown or changed in a MongoDB that the example did not start', {}],
    ['are not shown or changed with DEMO_PAGE=off', { MONGODB_URI: '', DEMO_PAGE: 'off' }],
  ])('%s', async (_title, env) => {
    const { url } = await startExample(MAIN, env)
    expect((await request(url).get('/demo/settings')).body).toMatchObject({ edits: false })
    for (const refused of [
      await request(url).get('/demo/documents/alice'),
      await request(url).put('/demo/documents/alice').send(CHANGE),
    ]) {
      expect(refused.status).toBe(404)
      expect(refused.text).toContain('DEMO_PAGE=on')
    }
  })

  it('are shown and changed in a MongoDB that the example started', async () => {
    const url = await runExample(MAIN).listening()
    expect((await request(url).put('/demo/documents/alice').send(CHANGE)).status).toBe(200)
  })

  it('are not for requests that come over a network', async () => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find(found => found?.family === 'IPv4' && !found.internal)?.address
    if (address === undefined) {
      console.log('Not tested over a network: this machine has no address but loopback.')
      return
    }
    const app = express().use(onlyFromThisMachine, (_req, res) => res.sendStatus(204))
    const open = createServer(app).listen(0, '0.0.0.0')
    await once(open, 'listening')
    onTestFinished(() => void open.close())
    const { port } = open.address() as AddressInfo
    const ask = (host: string) => request(`http://${host}:${port}`).get('/').set('Host', '127.0.0.1')
    expect((await ask('127.0.0.1')).status).toBe(204)
    expect((await ask(address)).status).toBe(403)
  })
})

/** Starts one server for all tests of a block. Its members can be read in tests and hooks. */
function shareServer(env: Environment): { url: string; db: Db } {
  const shared = {} as { url: string; db: Db }
  beforeAll(async () => {
    const cleanUps: (() => void | Promise<void>)[] = []
    const { url, db } = await startExample(MAIN, env, cleanUp => cleanUps.push(cleanUp))
    Object.assign(shared, { url, db })
    return async () => {
      for (const cleanUp of cleanUps.reverse()) await cleanUp()
    }
  })
  return shared
}
