import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MongoClient } from 'mongodb'
import request from 'supertest'
import { describe, expect, it, onTestFinished } from 'vitest'
import { seed } from '../../examples/server/seed.js'
import { openNamedDatabase, runExample } from '../support/run-example.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import {
  accepts,
  emails,
  getMe,
  greetingFor,
  logIn,
  MAIN,
  STARTED_MONGOD,
  startServer,
} from './server-requests.js'

describe('the database of the server example', () => {
  it('is seeded only at the first start', async () => {
    const { uri, db, example } = await startServer()
    await example.stop()
    await db.collection('users').deleteOne({ email: 'carol@example.com' })
    await (await startServer({ MONGODB_URI: uri })).example.stop()
    expect(await emails(db)).toEqual(['alice@example.com', 'bob@example.com'])
    expect(await db.collection('custom_user_data').countDocuments()).toBe(2)
  })

  it('is seeded once if two servers start at the same time, and both servers work', async () => {
    const { uri, db } = await openNamedDatabase()
    await Promise.all([startServer({ MONGODB_URI: uri }), startServer({ MONGODB_URI: uri })])
    expect(await emails(db)).toEqual(['alice@example.com', 'bob@example.com', 'carol@example.com'])
    expect(await db.collection('custom_user_data').countDocuments()).toBe(2)
  })

  it('has each user only once if several servers seed it at the same time', async () => {
    const { db } = await openNamedDatabase()
    const seedAtOnce = () => Promise.allSettled([seed(db), seed(db), seed(db)])
    await seedAtOnce()
    await db.collection('custom_user_data').deleteMany({})
    expect((await seedAtOnce()).map(({ status }) => status)).toContain('fulfilled')
    expect(await emails(db)).toEqual(['alice@example.com', 'bob@example.com', 'carol@example.com'])
    expect(await db.collection('custom_user_data').countDocuments()).toBe(2)
  })

  it('gets documents for the existing users if only custom_user_data is empty', async () => {
    const { uri, db, example } = await startServer()
    await example.stop()
    await db.collection('custom_user_data').deleteMany({})
    const { url } = await startServer({ MONGODB_URI: uri })
    const bob = await logIn(url, 'bob@example.com')
    expect(bob.user.customData).toMatchObject({ language: 'fr' })
  })

  it('is custom_user_data_example on a mongod of its own if no URI is given', async () => {
    const example = runExample(MAIN)
    await example.listening()
    const client = await MongoClient.connect((await example.printed(STARTED_MONGOD))[1]!)
    onTestFinished(() => client.close())
    expect(await emails(client.db('custom_user_data_example'))).toHaveLength(3)
  })

  it('may be unreachable at the start: the server logs it, answers 503, and recovers by itself', async () => {
    const { uri, db } = await openNamedDatabase()
    const { hostname, port } = new URL(uri)
    const proxy = await startTcpProxy(hostname, Number(port))
    onTestFinished(() => proxy.close())
    proxy.cut()
    // With this short limit the driver's first attempt to connect has already failed.
    const example = runExample(MAIN, {
      MONGODB_URI: `mongodb://127.0.0.1:${proxy.port}/${db.databaseName}?directConnection=true&serverSelectionTimeoutMS=500`,
    })
    const [, url] = await example.printed(/^Waiting for MongoDB at 127\.0\.0\.1:\d+ .*(http:\S+)\/healthz/m)
    expect((await request(url!).get('/healthz')).status).toBe(503)
    expect(example.output()).not.toContain('Listening')
    await proxy.restore()
    await example.listening()
    expect((await request(url!).get('/healthz')).status).toBe(200)
    await logIn(url!, 'alice@example.com')
    expect((await example.stop()).exitCode).toBe(0)
  })
})

describe('the configuration of the server example', () => {
  it('is refused with a message that names every wrong variable and what to write instead', async () => {
    const example = runExample(MAIN, {
      PORT: '65536',
      MONGODB_URI: 'localhost',
      ACCESS_TOKEN_SECRET: 'short secret',
      ACCESS_TOKEN_TTL_SECONDS: '0',
      SNAPSHOT_TTL_MS: '1e3',
      CHANGE_STREAM: 'auto',
      REUSE_TOLERANCE_SECONDS: '121',
      REFRESH_TOKEN_TRANSPORT: 'header',
      DEMO_PAGE: 'yes',
    })
    expect((await example.ended()).exitCode).toBe(1)
    const lines = example.output().split('\n')
    expect(lines).toContain('  PORT: write a whole number from 0 to 65535')
    expect(lines).toContain('  ACCESS_TOKEN_TTL_SECONDS: write a whole number from 1 to 86400')
    expect(lines).toContain('  SNAPSHOT_TTL_MS: write a whole number from 1 to 86400000')
    expect(lines).toContain('  CHANGE_STREAM: write on or off')
    expect(lines).toContain('  REUSE_TOLERANCE_SECONDS: write a whole number from 0 to 120')
    expect(lines).toContain('  REFRESH_TOKEN_TRANSPORT: write body or cookie')
    expect(lines).toContain('  DEMO_PAGE: write on or off')
    expect(example.output()).toContain('  MONGODB_URI: write the address of a MongoDB')
    expect(example.output()).toContain('  ACCESS_TOKEN_SECRET: write 32 bytes or more')
    expect(example.output()).not.toContain('short secret')
  })

  it('sets the lifetime of access tokens and the age at which snapshots are stale', async () => {
    const { url, db } = await startServer({
      ACCESS_TOKEN_TTL_SECONDS: '77',
      SNAPSHOT_TTL_MS: '1',
      CHANGE_STREAM: 'off',
    })
    const bob = await logIn(url, 'bob@example.com')
    expect(bob.expires_in).toBe(77)
    await db.collection('custom_user_data').updateOne({ role: 'admin' }, { $set: { language: 'de' } })
    expect(await greetingFor(url, bob.access_token)).toEqual({ greeting: 'Guten Tag!' })
  })

  it('keeps access tokens valid after a restart if the secret is given, and warns if it is missing', async () => {
    const { uri } = await openNamedDatabase()
    const env = { MONGODB_URI: uri, ACCESS_TOKEN_SECRET: 'a secret of the tests, 32 bytes or more' }
    const first = await startServer(env)
    const alice = await logIn(first.url, 'alice@example.com')
    await first.example.stop()
    const second = await startServer(env)
    expect((await getMe(second.url, alice.access_token)).status).toBe(200)
    expect(second.example.output()).not.toContain('ACCESS_TOKEN_SECRET')
    await second.example.stop()
    const third = await startServer({ MONGODB_URI: uri })
    expect((await getMe(third.url, alice.access_token)).status).toBe(401)
    expect(third.example.output()).toContain('Neither ACCESS_TOKEN_SECRET nor ACCESS_TOKEN_JWK is set')
  })

  it('causes exit code 1 and a clear message if the port is in use', async () => {
    const blocker = createServer().listen(0, '127.0.0.1')
    await once(blocker, 'listening')
    onTestFinished(() => void blocker.close())
    const { port } = blocker.address() as AddressInfo
    const example = runExample(MAIN, { PORT: String(port) })
    const [, , mongoPort] = await example.printed(STARTED_MONGOD)
    expect((await example.ended()).exitCode).toBe(1)
    expect(example.output()).toContain(`Port ${port} is in use`)
    expect(await accepts(Number(mongoPort))).toBe(false)
  })
})
