import { generateKeyPairSync } from 'node:crypto'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { forEachOf } from '../sessions-load/case.js'
import { startService, tokenOf } from '../sessions-load/service.js'
import type { Service } from '../sessions-load/service.js'
import { useDatabase } from '../support/database.js'
import { letExchangesAge } from '../support/exchange-times.js'
import { sidOf } from '../support/session-app.js'

type Options = Readonly<Record<string, unknown>>

const OLD = 'the old secret of the deploys, 32 bytes or more'
const NEW = 'the new secret of the deploys, 32 bytes or more'
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const hs = (key: string) => ({ alg: 'HS256', key })
const oldHs = { kid: 'old', ...hs(OLD) }
const newHs = { kid: 'new', ...hs(NEW) }
const privateKey = { kid: 'pair', alg: 'ES256', key: pair.privateKey.export({ format: 'jwk' }) }
const publicKey = { kid: 'pair', alg: 'ES256', key: pair.publicKey.export({ format: 'jwk' }) }

/** One configuration after another. Each deploy runs processes with two neighbours at the same time. */
const DEPLOYS: Readonly<Record<string, readonly Options[]>> = {
  'from an HS key to another: append, swap, remove': [
    { keys: [oldHs] },
    { keys: [oldHs, newHs] },
    { keys: [newHs, oldHs] },
    { keys: [newHs] },
  ],
  'from a secret to a key pair': [
    { secret: OLD },
    { keys: [hs(OLD), publicKey] },
    { keys: [privateKey, hs(OLD)] },
    { keys: [privateKey], sessionSecrets: [OLD] },
  ],
  'from a session secret to another: append, swap, remove': [
    { sessionSecrets: [OLD] },
    { sessionSecrets: [OLD, NEW] },
    { sessionSecrets: [NEW, OLD] },
    { sessionSecrets: [NEW] },
  ],
  'of other options': [
    { reuseToleranceSeconds: 30 },
    { reuseToleranceSeconds: 120, refreshTokenIdleSeconds: 3_600 },
    { refreshTokenTtlSeconds: 86_400, accessTokenTtlSeconds: 300 },
    { clockToleranceSeconds: 60, sessionCheckIntervalMs: 0, userDataInToken: 'relaxed' },
  ],
}

/** How often two tabs refresh at the same moment, and how often each other check runs. */
const PAIRS_OF_TABS = 30
const TIMES = 6
const WIDTH = 6
/** Only ends a test that hangs: a busy machine starts processes slowly. */
const TIMEOUT_MS = 300_000
const MS_OF_LONGEST_TOLERANCE = 120_000

const database = useDatabase()
const running: Service[] = []
afterEach(() => Promise.all(running.splice(0).map(service => service.kill())))

async function start(configurations: readonly Options[]): Promise<Service[]> {
  const settings = { uri: inject('mongoUri'), database: database.db.databaseName }
  const started = configurations.map(options => startService({ ...settings, options }))
  for (const service of started) running.push(await service)
  return Promise.all(started)
}

const isRevoked = async (token: string) => {
  const sessions = database.db.collection<{ _id: string; revokedAt: unknown }>('custom_user_data_sessions')
  return (await sessions.findOne({ _id: sidOf(token) }))?.revokedAt !== null
}

const exchange = async (at: Service, token: string) => tokenOf(await at.refresh(token))

/** Runs all checks with a process before a step of a deploy and a process after it, in turn with each of them first. */
async function checkStep(before: Service, after: Service): Promise<void> {
  for (const [what, check] of Object.entries(CHECKS)) {
    const runs = forEachOf(what === TABS ? PAIRS_OF_TABS : TIMES, WIDTH, n =>
      n % 2 === 0 ? check(before, after) : check(after, before),
    )
    await expect(runs, what).resolves.toBeUndefined()
  }
}

const TABS = 'two tabs at two processes get the same successor'

const CHECKS: Readonly<Record<string, (one: Service, other: Service) => Promise<void>>> = {
  [TABS]: async (one, other) => {
    const token = await one.logIn('alice')
    const [here, there] = await Promise.all([exchange(one, token), exchange(other, token)])
    expect(there).toBe(here)
    await exchange(other, here)
  },
  'a lost answer is asked for again at the other process': async (one, other) => {
    const token = await one.logIn('alice')
    const lost = await one.post('/refresh', { refresh_token: token }, { 'x-lose-answer': '1' })
    expect(lost.status).toBe(0)
    await exchange(one, await exchange(other, token))
  },
  'a delayed request comes after two exchanges': async (one, other) => {
    const token = await one.logIn('alice')
    const current = await exchange(one, await exchange(other, token))
    for (const service of [one, other]) expect(await exchange(service, token)).toBe(current)
  },
  'the access token works at the other process': async (one, other) => {
    const { body } = await one.refresh(await other.logIn('alice'))
    expect((await other.get('/me', String(body['access_token']))).status).toBe(200)
  },
  'a logout with an older token ends the session in both processes': async (one, other) => {
    const token = await one.logIn('alice')
    const current = await exchange(one, await exchange(other, token))
    expect((await other.post('/logout', { refresh_token: token })).status).toBe(204)
    for (const service of [one, other]) expect((await service.refresh(current)).status).toBe(400)
  },
  'a stolen token ends the session': async (one, other) => {
    const token = await one.logIn('alice')
    const current = await exchange(one, await exchange(other, token))
    await letExchangesAge(database.db, MS_OF_LONGEST_TOLERANCE, token)
    expect((await other.refresh(token)).status).toBe(400)
    expect((await one.refresh(current)).status).toBe(400)
    expect(await isRevoked(token)).toBe(true)
  },
}

describe('a rolling deploy with two processes at a time', () => {
  it.each(Object.entries(DEPLOYS))(
    'ends no session, and detects theft in each step: %s',
    async (_what, configurations) => {
      const services = await start(configurations)
      for (const [index, before] of services.entries()) {
        const after = services[index + 1]
        if (after) await checkStep(before, after)
      }
    },
    TIMEOUT_MS,
  )

  it(
    'answers 503 where a new secret is unknown that was put first at once, and a retry at another process works',
    async () => {
      const [before, after] = (await start([{ sessionSecrets: [OLD] }, { sessionSecrets: [NEW, OLD] }])) as [
        Service,
        Service,
      ]
      await forEachOf(TIMES, WIDTH, async () => {
        const token = await before.logIn('alice')
        const successor = await exchange(after, token)
        const { status, headers } = await before.refresh(token)
        expect({ status, retryAfter: headers['retry-after'] }).toEqual({ status: 503, retryAfter: '1' })
        expect(await exchange(after, token)).toBe(successor)
        await exchange(before, successor)
      })
      const counts = await Promise.all([before, after].map(service => service.counts()))
      expect(counts.map(count => count['reuse_detected'])).toEqual([0, 0])
    },
    TIMEOUT_MS,
  )
})
