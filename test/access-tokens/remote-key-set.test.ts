import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ProtectedHeader } from '../../lib/access-tokens/compact-jws.js'
import type { CandidateKeys } from '../../lib/access-tokens/keys.js'
import { RemoteKeySet } from '../../lib/access-tokens/remote-key-set.js'
import type { RemoteKeySetConfig } from '../../lib/access-tokens/remote-key-set.js'
import { createEvents } from '../../lib/events.js'
import type { Events } from '../../lib/events.js'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { answerJson, createTestKey, startKeyServer } from '../support/key-server.js'
import type { KeyServer, TestKey } from '../support/key-server.js'
import { TEST_CERTIFICATE } from '../support/test-certificate.js'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

describe('the keys that an issuer publishes', () => {
  const first = createTestKey('first')
  const second = createTestKey('second')
  let server: KeyServer
  let clock: ManualClock
  let events: Events
  let failures: string[]
  let warnings: string[]
  let keySet: RemoteKeySet
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    server = await startKeyServer(first.jwk)
    clock = createManualClock()
    events = createEvents()
    failures = []
    warnings = []
    events.emitter.on('key_set_failed', ({ error }) => failures.push(error.message))
    events.emitter.on('warning', ({ message }) => warnings.push(message))
    keySet = create()
  })
  afterEach(async () => {
    keySet.close()
    await server.close()
    vi.useRealTimers()
  })

  function create(changes: Partial<RemoteKeySetConfig> = {}): RemoteKeySet {
    const { origin: issuer, jwksUri } = server
    return new RemoteKeySet({ issuer, jwksUri, algorithms: ['ES256'], ...changes }, events, clock)
  }

  /** Finds the known keys, or reads the keys again, as a token does that waits for its keys. */
  async function findOrLoad(header: ProtectedHeader): Promise<CandidateKeys> {
    return keySet.find(header) ?? keySet.load(header)
  }

  /** The kids found, or the code of the refusal. */
  async function find(
    kid: string | undefined,
    header: Partial<ProtectedHeader> = {},
  ): Promise<string[] | string> {
    try {
      const keys = await findOrLoad({ alg: 'ES256', typ: 'at+jwt', kid, ...header })
      return keys.map(key => key.kid)
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  /** Lets the timer fire once, and waits until what it reads has been taken, or has failed. */
  async function readInBackground(): Promise<void> {
    const asked = server.hits.length
    vi.advanceTimersByTime(10 * MINUTE)
    await expect.poll(() => server.hits.length).toBeGreaterThan(asked)
    // An unknown key waits for the read that is under way.
    await find('nobody')
  }

  it('fetches nothing before the first token', () => {
    expect(server.hits).toEqual([])
  })

  it('makes one fetch for many tokens that wait', async () => {
    const found = await Promise.all(Array.from({ length: 50 }, () => find('first')))
    expect(found).toEqual(found.map(() => ['first']))
    expect(server.hits).toEqual(['/jwks.json'])
  })

  it('finds a known key without a promise, so that its token does not wait', async () => {
    await find('first')
    expect(keySet.find({ alg: 'ES256', typ: undefined, kid: 'first' })).toMatchObject([{ kid: 'first' }])
  })

  it('finds the only key for a token without a kid, and no key if there are several', async () => {
    expect(await find(undefined)).toEqual(['first'])
    server.publish(first.jwk, second.jwk)
    clock.advance(30 * SECOND)
    await find('second')
    expect(await find(undefined)).toBe('invalid_token')
  })

  it('fetches nothing for an algorithm that is not in the option algorithms, and refuses the token with 401', async () => {
    server.answerBy(status(500))
    for (const alg of ['none', 'HS256', 'RS256', 'es256', 'EdDSA', '']) {
      expect(await find('first', { alg })).toBe('invalid_token')
    }
    expect(server.hits).toEqual([])
  })

  describe('an endpoint without a key set', () => {
    it.each<[string, RequestListener, RegExp]>([
      ['500', status(500), /status of the answer is 500/],
      ['404', status(404), /status of the answer is 404/],
      ['204', status(204), /status of the answer is 204/],
      ['a redirect', redirect, /fetch failed/],
      ['HTML', (_req, res) => res.end('<!doctype html><title>Sign in</title>'), /JSON/],
      ['nothing', (_req, res) => res.end(), /JSON/],
      ['a broken connection', (_req, res) => res.destroy(), /fetch failed/],
      ['a list', answerJson([first.jwk]), /not a JWK Set/],
      ['keys that are not a list', answerJson({ keys: { first: first.jwk } }), /not a JWK Set/],
      ['no keys', answerJson({ keys: [] }), /no usable key/],
      ['101 keys', answerJson({ keys: Array.from({ length: 101 }, () => first.jwk) }), /more than 100 keys/],
      ['over 512 kB', endless, /larger than 524288 bytes/],
      [
        'JSON 100,000 deep',
        (_req, res) => res.end('['.repeat(100_000) + ']'.repeat(100_000)),
        /not a JWK Set/,
      ],
    ])('%s: known keys stay, and there is one attempt in 30 s', async (_name, answer, why) => {
      await find('first')
      server.answerBy(answer)
      clock.advance(30 * SECOND)
      for (let requests = 0; requests < 20; requests++) {
        expect(await find('second')).toBe('keys_unavailable')
        expect(await find('first')).toEqual(['first'])
        clock.advance(1 * SECOND)
      }
      expect(server.hits).toHaveLength(2)
      expect(failures).toEqual([expect.stringMatching(why)])

      server.publish(second.jwk)
      clock.advance(10 * SECOND)
      expect(await find('second')).toEqual(['second'])
      expect(server.hits).toHaveLength(3)
    })

    it('is not followed if it redirects', async () => {
      const other = await startKeyServer(second.jwk)
      server.answerBy((_req, res) => res.writeHead(302, { location: other.jwksUri }).end())
      expect(await find('second')).toBe('keys_unavailable')
      expect(other.hits).toEqual([])
      await other.close()
    })

    it('is asked again after 30 s and not before, if no set was ever read', async () => {
      server.answerBy(status(500))
      for (let requests = 0; requests < 100; requests++) {
        expect(await find('first')).toBe('keys_unavailable')
        clock.advance(1 * SECOND)
      }
      expect(server.hits).toHaveLength(4)
    })
  })

  it('answers 503 with Retry-After and without a challenge if keys cannot be fetched', async () => {
    server.answerBy(status(500))
    const refusal = findOrLoad({ alg: 'ES256', typ: undefined, kid: 'first' })
    await expect(refusal).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': '1' } })
  })

  it('finds known keys while the endpoint hangs, and only tokens with unknown keys wait', async () => {
    await find('first')
    const asked = hang()
    clock.advance(30 * SECOND)
    const unknown = find('second')
    const { answer } = await asked
    expect(keySet.find({ alg: 'ES256', typ: undefined, kid: 'first' })).toMatchObject([{ kid: 'first' }])
    answer(first.jwk, second.jwk)
    expect(await unknown).toEqual(['second'])
  })

  it('10,000 random kids in a minute cause 3 fetches at most, and never lock out a known key', async () => {
    await find('first')
    for (let request = 0; request < 10_000; request++) {
      clock.advance(6)
      expect(await find(`random ${request}`)).toBe('invalid_token')
      expect(keySet.find({ alg: 'ES256', typ: undefined, kid: 'first' })).toMatchObject([{ kid: 'first' }])
    }
    expect(server.hits.length).toBeLessThanOrEqual(3)
  })

  it('finds a new key within 30 s, also during a flood of random kids', async () => {
    await find('first')
    for (let request = 0; request < 200; request++) {
      clock.advance(100)
      await find(`random ${request}`)
    }
    server.publish(first.jwk, second.jwk)
    let waitedMs = 0
    while ((await find('second')) === 'invalid_token') {
      await find(`more ${waitedMs}`)
      clock.advance(100)
      waitedMs += 100
    }
    expect(waitedMs).toBeLessThanOrEqual(30 * SECOND)
    expect(await find('second')).toEqual(['second'])
  })

  it('a key that was removed from the set is not found, and its snapshots are refused', async () => {
    server.publish(first.jwk, second.jwk)
    const [gone] = await findOrLoad({ alg: 'ES256', typ: undefined, kid: 'first' })
    const [kept] = await findOrLoad({ alg: 'ES256', typ: undefined, kid: 'second' })
    server.publish(second.jwk)
    clock.advance(10 * MINUTE)
    await readInBackground()
    expect(gone.retired).toBe(true)
    expect(kept.retired).toBe(false)
    expect(await find('first')).toBe('invalid_token')
    expect(keySet.find({ alg: 'ES256', typ: undefined, kid: 'second' })).toEqual([kept])
  })

  it('a new key with the name of a removed one is another key', async () => {
    const [before] = await findOrLoad({ alg: 'ES256', typ: undefined, kid: 'first' })
    server.publish(createTestKey('first').jwk)
    clock.advance(10 * MINUTE)
    await readInBackground()
    const [after] = await findOrLoad({ alg: 'ES256', typ: undefined, kid: 'first' })
    expect(before.retired).toBe(true)
    expect(after).toMatchObject({ kid: 'first', retired: false })
  })

  it('is read in the background every 10 minutes', async () => {
    await find('first')
    for (let reads = 1; reads <= 3; reads++) {
      clock.advance(10 * MINUTE)
      await readInBackground()
      expect(server.hits).toHaveLength(1 + reads)
    }
  })

  it('known keys are used for 24 h without an endpoint, and no longer', async () => {
    const [key] = await findOrLoad({ alg: 'ES256', typ: undefined, kid: 'first' })
    server.answerBy(status(500))
    clock.advance(24 * HOUR - 1)
    await readInBackground()
    expect(await find('first')).toEqual(['first'])
    expect(key.retired).toBe(false)
    clock.advance(1)
    expect(await find('first')).toBe('keys_unavailable')
    expect(key.retired).toBe(true)
  })

  it('known keys are not used after the machine has slept for 24 h', async () => {
    const [key] = await findOrLoad({ alg: 'ES256', typ: undefined, kid: 'first' })
    server.answerBy(status(500))
    clock.sleep(24 * HOUR)
    expect(await find('first')).toBe('keys_unavailable')
    expect(key.retired).toBe(true)
  })

  it('after 24 h without an endpoint the background removes the keys, so that snapshots end too', async () => {
    const [key] = await findOrLoad({ alg: 'ES256', typ: undefined, kid: 'first' })
    server.answerBy(status(500))
    clock.advance(24 * HOUR)
    const failed = once(events.emitter, 'key_set_failed')
    vi.advanceTimersByTime(10 * MINUTE)
    await failed
    expect(key.retired).toBe(true)
  })

  it('two keys of one name and algorithm are both found, and never more than two', async () => {
    const twins = Array.from({ length: 3 }, () => createTestKey('twin'))
    server.publish(...twins.slice(0, 2).map(({ jwk }) => jwk))
    expect(await find('twin')).toEqual(['twin', 'twin'])
    server.publish(...twins.map(({ jwk }) => jwk))
    clock.advance(10 * MINUTE)
    await readInBackground()
    expect(await find('twin')).toEqual(['twin', 'twin'])
  })

  it('unusable keys are ignored, and the same reasons are warned of once', async () => {
    server.publish({ kty: 'oct', kid: 'secret', k: 'AAAA' }, second.privateJwk, first.jwk)
    await find('first')
    clock.advance(10 * MINUTE)
    await readInBackground()
    expect(await find('second')).toBe('invalid_token')
    expect(warnings).toEqual([
      `Keys of ${server.origin} are ignored. The key "secret" is not public. The key "second" is not public.`,
    ])
    server.publish(second.privateJwk, first.jwk)
    clock.advance(10 * MINUTE)
    await readInBackground()
    expect(warnings).toHaveLength(2)
  })

  describe('found by OpenID discovery', () => {
    beforeEach(() => {
      keySet = create({ jwksUri: undefined })
    })

    it('reads the address of the set where the issuer publishes it', async () => {
      discovery({})
      expect(await find('first')).toEqual(['first'])
      expect(server.hits).toEqual(['/.well-known/openid-configuration', '/jwks.json'])
    })

    it('ignores a slash at the end of the issuer in the address, but not in the name', async () => {
      keySet = create({ issuer: `${server.origin}/`, jwksUri: undefined })
      discovery({ issuer: `${server.origin}/` })
      expect(await find('first')).toEqual(['first'])
      expect(server.hits).toEqual(['/.well-known/openid-configuration', '/jwks.json'])
    })

    it.each([
      ['the configuration of another issuer', { issuer: 'https://other.example.com' }, /of another issuer/],
      ['no jwks_uri', { jwks_uri: undefined }, /no jwks_uri/],
      ['a jwks_uri over plain http', { jwks_uri: 'http://keys.example.com/' }, /must be https/],
      ['a jwks_uri that is not an address', { jwks_uri: 'file:///etc/passwd' }, /must be https/],
    ])('refuses %s', async (_name, changes, why) => {
      discovery(changes)
      expect(await find('first')).toBe('keys_unavailable')
      expect(failures).toEqual([expect.stringMatching(why)])
      expect(server.hits).toEqual(['/.well-known/openid-configuration'])
    })

    it.each([['null'], ['1'], ['"text"'], ['[]']])('refuses a configuration of %s', async text => {
      server.answerBy((_req, res) => res.end(text))
      expect(await find('first')).toBe('keys_unavailable')
    })
  })

  describe('found by OpenID discovery at an issuer over https', () => {
    let https: Server
    let issuer: string
    beforeEach(async () => {
      vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
      https = createServer(TEST_CERTIFICATE)
      await once(https.listen(0, '127.0.0.1'), 'listening')
      issuer = `https://127.0.0.1:${(https.address() as AddressInfo).port}`
      keySet = create({ issuer, jwksUri: undefined })
    })
    afterEach(async () => {
      vi.unstubAllEnvs()
      https.closeAllConnections()
      await once(https.close(), 'close')
    })

    it('are not fetched if the issuer names an http address on loopback', async () => {
      https.on('request', answerJson({ issuer, jwks_uri: server.jwksUri }))
      expect(await find('first')).toBe('keys_unavailable')
      expect(failures).toEqual([expect.stringMatching(/must be https/)])
      expect(server.hits).toEqual([])
    })

    it('are not fetched if the issuer redirects to an http address on loopback', async () => {
      https.on('request', (req, res) => {
        if (req.url === '/jwks') res.writeHead(307, { location: server.jwksUri }).end()
        else answerJson({ issuer, jwks_uri: `${issuer}/jwks` })(req, res)
      })
      expect(await find('first')).toBe('keys_unavailable')
      expect(failures).toEqual([expect.stringMatching(/fetch failed/)])
      expect(server.hits).toEqual([])
    })

    it('are read from another https address that the issuer names', async () => {
      const host = issuer.replace('127.0.0.1', 'localhost')
      https.on('request', (req, res) => {
        const isSet = req.headers.host === new URL(host).host
        answerJson(isSet ? { keys: [first.jwk] } : { issuer, jwks_uri: `${host}/keys` })(req, res)
      })
      expect(await find('first')).toEqual(['first'])
    })
  })

  it('of an issuer over https are not fetched on loopback, even if jwksUri says so', async () => {
    keySet = create({ issuer: 'https://issuer.example.com' })
    expect(await find('first')).toBe('keys_unavailable')
    expect(failures).toEqual([expect.stringMatching(/must be https/)])
    expect(server.hits).toEqual([])
  })

  it('close() stops the timer', async () => {
    await find('first')
    expect(vi.getTimerCount()).toBe(1)
    keySet.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  function discovery(changes: object): void {
    const configuration = { issuer: server.origin, jwks_uri: server.jwksUri, ...changes }
    server.answerBy((req, res) => {
      const isSet = req.url === '/jwks.json'
      answerJson(isSet ? { keys: [first.jwk] } : configuration)(req, res)
    })
  }

  /** From now on the endpoint does not answer; resolves when it has been asked, to what makes it answer. */
  function hang(): Promise<{ answer: (...keys: TestKey['jwk'][]) => void }> {
    return new Promise(resolve => {
      server.answerBy((req, res) => {
        resolve({
          answer: (...keys) => {
            answerJson({ keys })(req, res)
          },
        })
      })
    })
  }
})

function status(code: number): RequestListener {
  return (_req, res) => res.writeHead(code).end()
}

const redirect: RequestListener = (_req, res) => res.writeHead(302, { location: '/elsewhere.json' }).end()

/** Valid JSON as far as it goes, of a length that is not stated. */
const endless: RequestListener = (_req, res) => {
  const chunk = Buffer.alloc(64 * 1024, ' ')
  const write = (): void => {
    while (!res.destroyed && res.write(chunk));
  }
  res.on('drain', write)
  write()
}
