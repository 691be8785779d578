import request from 'supertest'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCustomUserData, OptionError } from 'express-custom-user-data'
import type { CustomUserData, CustomUserDataOptions, TrustedIssuer } from 'express-custom-user-data'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { createGuardedApp } from '../support/http-server.js'
import { createTestKey, startIssuer, startKeyServer } from '../support/key-server.js'
import type { TestIssuer } from '../support/key-server.js'
import { AUDIENCE, createTestUserData, forgeToken, ISSUER, validClaims } from '../support/user-data.js'

const MINUTE = 60 * 1000

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>
type UserData = CustomUserData<Readonly<Record<string, unknown>>>

describe('trusted issuers', () => {
  const database = useDatabase()
  let idp: TestIssuer
  let other: TestIssuer
  let clock: ManualClock
  let userData: UserData
  let instances: UserData[]
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    clock = createManualClock(Date.now())
    instances = []
    idp = await startIssuer(createTestKey('idp-key'))
    other = await startIssuer(createTestKey('other-key'))
    userData = create({
      trustedIssuers: [idp.option({ userIdPrefix: 'idp|' }), other.option({ userIdPrefix: 'other|' })],
    })
    await userData.ready()
    const collection = database.db.collection('custom_user_data')
    await collection.deleteMany({})
    await collection.insertMany([
      { userId: 'alice', whose: 'ours' },
      { userId: 'idp|alice', whose: "idp's" },
      { userId: 'other|alice', whose: "other's" },
    ])
  })
  afterEach(async () => {
    for (const instance of instances) await instance.close()
    await idp.server.close()
    await other.server.close()
    vi.useRealTimers()
  })

  function create(options: Options): UserData {
    const instance = createTestUserData(database, { clock, ...options })
    instance.events.on('warning', () => undefined)
    instances.push(instance)
    return instance
  }

  function me(token: string, instance = userData): request.Test {
    return request(createGuardedApp(instance)).get('/me').auth(token, { type: 'bearer' })
  }

  async function statusOf(token: string, instance = userData): Promise<number> {
    return (await me(token, instance)).status
  }

  it('the key of one issuer verifies no token of another issuer', async () => {
    const statuses = []
    for (const issuer of [idp, other]) {
      for (const { key } of [idp, other]) statuses.push(await statusOf(issuer.token({ sub: 'alice' }, key)))
    }
    expect(statuses).toEqual([200, 401, 401, 200])
  })

  it('the key of one issuer verifies no token of another issuer, even if both keys have the same kid', async () => {
    const mine = createTestKey('same')
    const yours = createTestKey('same')
    idp.server.publish(mine.jwk)
    other.server.publish(yours.jwk)
    const tokens = [idp, other].flatMap(issuer =>
      [mine, yours].map(key => issuer.token({ sub: 'alice' }, key)),
    )
    const statuses = []
    for (const token of tokens) statuses.push(await statusOf(token))
    expect(statuses).toEqual([200, 401, 401, 200])
  })

  it('the key of an issuer verifies no token of ours, and our secret no token of the issuer', async () => {
    const ofUs = idp.key.sign(validClaims())
    const bySecret = forgeToken({ claims: { ...validClaims(), iss: idp.server.origin } })
    expect(await statusOf(ofUs)).toBe(401)
    expect(await statusOf(bySecret)).toBe(401)
    expect(await statusOf(forgeToken())).toBe(200)
  })

  it('a public key cannot be used as a secret, in any format', async () => {
    const { kid, jwk } = idp.key
    const claims = { ...validClaims(), iss: idp.server.origin }
    for (const secret of [JSON.stringify(jwk), Buffer.from(jwk.x!, 'base64url'), jwk.x!]) {
      expect(await statusOf(forgeToken({ header: { kid }, claims, secret }))).toBe(401)
    }
  })

  it('the same sub from two issuers and from us means three users with three documents', async () => {
    for (let round = 0; round < 2; round++) {
      expect((await me(idp.token({ sub: 'alice' }))).body).toMatchObject({
        id: 'idp|alice',
        customData: { whose: "idp's" },
      })
      expect((await me(other.token({ sub: 'alice' }))).body).toMatchObject({
        id: 'other|alice',
        customData: { whose: "other's" },
      })
      expect((await me(forgeToken())).body).toMatchObject({ id: 'alice', customData: { whose: 'ours' } })
    }
  })

  it('the snapshot of one issuer’s token is never served for another issuer’s token, and ends with the key of its issuer', async () => {
    // One key pair, published by both: each is a key of its own all the same.
    other.server.publish(idp.key.jwk)
    const ofIdp = idp.token({ sub: 'alice' })
    const ofOther = other.token({ sub: 'alice' }, idp.key)
    expect((await me(ofIdp)).body.id).toBe('idp|alice')
    expect((await me(ofOther)).body.id).toBe('other|alice')
    other.server.publish(createTestKey().jwk)
    await readInBackground(other)
    expect(await statusOf(ofIdp)).toBe(200)
    expect(await statusOf(ofOther)).toBe(401)
  })

  it('invalidate() takes the id with its prefix', async () => {
    const token = idp.token({ sub: 'alice' })
    await me(token)
    const change = { $set: { whose: 'changed' } }
    await database.db.collection('custom_user_data').updateOne({ userId: 'idp|alice' }, change)
    userData.invalidate('alice')
    expect((await me(token)).body.customData.whose).toBe("idp's")
    userData.invalidate('idp|alice')
    expect((await me(token)).body.customData.whose).toBe('changed')
  })

  it('an id of ours that begins with the prefix of an issuer is refused, in tokens and for new tokens', async () => {
    expect(await statusOf(forgeToken({ claims: validClaims('idp|alice') }))).toBe(401)
    const issuing = userData.issueTokens('idp|alice')
    await expect(issuing).rejects.toThrow(TypeError)
    await expect(issuing).rejects.toThrow("must not begin with a trusted issuer's prefix")
    await expect(userData.issueTokens('idp')).resolves.toMatchObject({ user: { id: 'idp' } })
  })

  it('the default prefix is the issuer and a bar', async () => {
    const instance = create({ trustedIssuers: [idp.option()] })
    expect((await me(idp.token({ sub: 'alice' }), instance)).body.id).toBe(`${idp.server.origin}|alice`)
  })

  it('userIdClaim takes the user id from another claim', async () => {
    const instance = create({ trustedIssuers: [idp.option({ userIdClaim: 'email', userIdPrefix: 'idp|' })] })
    const { body } = await me(idp.token({ sub: '17', email: 'alice' }), instance)
    expect(body).toMatchObject({ id: 'idp|alice', customData: { whose: "idp's" } })
    for (const email of [undefined, null, '', 17, { $ne: null }, ['alice']]) {
      expect(await statusOf(idp.token({ sub: '17', email }), instance)).toBe(401)
    }
  })

  it('profile rfc9068 accepts only tokens of typ at+jwt, and profile jwt plain tokens too', async () => {
    const lax = create({ trustedIssuers: [idp.option({ profile: 'jwt' })] })
    const claims = { ...validClaims(), iss: idp.server.origin }
    const typs = ['at+jwt', 'application/at+jwt', 'AT+JWT', 'JWT', undefined, 'logout+jwt', 'dpop+jwt', '']
    const strictly = []
    const laxly = []
    for (const typ of typs) {
      const token = idp.key.sign(claims, { typ })
      strictly.push(await statusOf(token))
      laxly.push(await statusOf(token, lax))
    }
    expect(strictly).toEqual([200, 200, 200, 401, 401, 401, 401, 401])
    expect(laxly).toEqual([200, 200, 200, 200, 200, 401, 401, 401])
  })

  it.each(['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'])(
    'profile rfc9068 requires %s, and the 401 says that it is missing',
    async claim => {
      const { status, headers } = await me(idp.token({ [claim]: undefined }))
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toContain(`error_description="The access token has no ${claim}."`)
    },
  )

  it.each([
    ['iss', 401],
    ['exp', 401],
    ['aud', 401],
    ['sub', 401],
    ['iat', 401],
    ['client_id', 200],
    ['jti', 200],
  ])('profile jwt: a token without %s is answered with %i', async (claim, status) => {
    const lax = create({ trustedIssuers: [idp.option({ profile: 'jwt' })] })
    const answer = await me(idp.token({ [claim]: undefined }), lax)
    expect(answer.status).toBe(status)
    if (status === 401) expect(answer.headers['www-authenticate']).toContain(`has no ${claim}.`)
  })

  it('a token meant for another audience is refused', async () => {
    expect(await statusOf(idp.token({ aud: 'https://other.example.com' }))).toBe(401)
    expect(await statusOf(idp.token({ aud: undefined }))).toBe(401)
    expect(await statusOf(idp.token({ aud: ['https://other.example.com', AUDIENCE] }))).toBe(200)
  })

  it("a client's own token is refused", async () => {
    expect(await statusOf(idp.token({ sub: 'client-1', client_id: 'client-1' }))).toBe(401)
  })

  it('a token is matched to its issuer before any key is fetched', async () => {
    const stranger = await startIssuer()
    expect(await statusOf(stranger.token())).toBe(401)
    expect([idp, other, stranger].map(({ server }) => server.hits)).toEqual([[], [], []])
    expect(await statusOf(idp.token())).toBe(200)
    expect([idp, other, stranger].map(({ server }) => server.hits.length)).toEqual([1, 0, 0])
    await stranger.server.close()
  })

  it('addresses and keys in the header of a token are never followed', async () => {
    const trap = await startKeyServer(createTestKey('mine').jwk)
    const mine = createTestKey('mine')
    trap.publish(mine.jwk)
    const claims = { ...validClaims(), iss: idp.server.origin }
    for (const header of [
      { jku: trap.jwksUri },
      { x5u: trap.jwksUri },
      { jwk: mine.jwk },
      { x5c: [mine.jwk.x] },
      { kid: trap.jwksUri },
    ]) {
      expect(await statusOf(mine.sign(claims, header))).toBe(401)
      expect(await statusOf(mine.sign(claims, { ...header, kid: 'idp-key' }))).toBe(401)
    }
    expect(trap.hits).toEqual([])
    await trap.close()
  })

  it('a key that cannot be fetched is 503 with Retry-After and without a challenge', async () => {
    idp.server.answerBy((_req, res) => res.writeHead(500).end())
    const { status, headers, body } = await me(idp.token())
    expect(status).toBe(503)
    expect(body).toMatchObject({ code: 'keys_unavailable' })
    expect(headers).toMatchObject({ 'retry-after': '1' })
    expect(headers).not.toHaveProperty('www-authenticate')
    expect(await statusOf(other.token())).toBe(200)
  })

  it('an unknown key is 503 while the server is away, and 401 as soon as it answers', async () => {
    expect(await statusOf(idp.token())).toBe(200)
    const stranger = idp.token({}, createTestKey('stranger'))
    idp.server.answerBy((_req, res) => res.destroy())
    clock.advance(30_000)
    expect(await statusOf(stranger)).toBe(503)
    expect(await statusOf(idp.token())).toBe(200)
    idp.server.publish(idp.key.jwk)
    clock.advance(30_000)
    const { status, headers } = await me(stranger)
    expect(status).toBe(401)
    expect(headers['www-authenticate']).toContain('error="invalid_token"')
  })

  it('cached tokens are refused after their key was removed from the set', async () => {
    const token = idp.token({ sub: 'alice' })
    expect(await statusOf(token)).toBe(200)
    const successor = createTestKey('successor')
    idp.server.publish(successor.jwk)
    expect(await statusOf(token)).toBe(200)
    await readInBackground(idp)
    expect(await statusOf(token)).toBe(401)
    expect(await statusOf(idp.token({ sub: 'alice' }, successor))).toBe(200)
  })

  it('two keys of one name and algorithm are both tried', async () => {
    const twins = [createTestKey('twin'), createTestKey('twin')]
    idp.server.publish(...twins.map(({ jwk }) => jwk))
    for (const twin of twins) expect(await statusOf(idp.token({}, twin))).toBe(200)
    expect(await statusOf(idp.token({}, createTestKey('twin')))).toBe(401)
  })

  it('keys are found by OpenID discovery if no address is given', async () => {
    const { origin: issuer, jwksUri } = idp.server
    idp.server.answerBy((req, res) => {
      const isSet = req.url === '/jwks.json'
      res.end(JSON.stringify(isSet ? { keys: [idp.key.jwk] } : { issuer, jwks_uri: jwksUri }))
    })
    const instance = create({ trustedIssuers: [idp.option({ jwksUri: undefined })] })
    expect(await statusOf(idp.token(), instance)).toBe(200)
  })

  it('close() stops the fetches in the background', async () => {
    await me(idp.token())
    await me(other.token())
    expect(vi.getTimerCount()).toBe(2)
    await userData.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  describe('alone, with no keys of our own', () => {
    let alone: UserData
    beforeEach(() => {
      const collection = database.db.collection('custom_user_data')
      alone = createCustomUserData({ collection, trustedIssuers: [idp.option({ userIdPrefix: '' })], clock })
      alone.events.on('warning', () => undefined)
      instances.push(alone)
    })

    it('serve their users, and one prefix may be empty', async () => {
      expect((await me(idp.token({ sub: 'alice' }), alone)).body).toMatchObject({
        id: 'alice',
        customData: { whose: 'ours' },
      })
      expect(await statusOf(forgeToken(), alone)).toBe(401)
    })

    it.each<[string, (instance: UserData) => unknown]>([
      ['login()', instance => instance.login(() => null)],
      ['refresh()', instance => instance.refresh()],
      ['issueTokens()', instance => instance.issueTokens('alice')],
      ['replaceKeys()', instance => instance.replaceKeys([])],
      ['jwks()', instance => instance.jwks()],
    ])('cannot do %s, and say what it needs', async (name, call) => {
      // Calls that answer with a promise reject; the others throw.
      const called = async (): Promise<unknown> => call(alone)
      await expect(called()).rejects.toThrow(OptionError)
      await expect(called()).rejects.toThrow(
        `${name} needs keys of your own: give "secret" or "keys", "issuer"`,
      )
    })
  })

  describe('are refused at creation, with what to write instead', () => {
    const trusted: TrustedIssuer = {
      issuer: 'https://idp.example.com',
      audience: AUDIENCE,
      algorithms: ['ES256'],
      userIdPrefix: 'idp|',
    }
    const second: TrustedIssuer = { ...trusted, issuer: 'https://two.example.com', userIdPrefix: 'two|' }

    it.each<[string, unknown[], RegExp]>([
      [
        'the same issuer twice',
        [trusted, { ...trusted, userIdPrefix: 'b|' }],
        /is listed twice\. Remove one/,
      ],
      ['our own issuer', [{ ...trusted, issuer: ISSUER }], /is also the option "issuer"/],
      ['the same prefix twice', [trusted, { ...second, userIdPrefix: 'idp|' }], /Write prefixes that differ/],
      [
        'a prefix that begins another',
        [trusted, { ...second, userIdPrefix: 'idp|2|' }],
        /"idp\|" is the prefix of another issuer, or its beginning/,
      ],
      [
        'an empty prefix in an instance with its own users',
        [{ ...trusted, userIdPrefix: '' }],
        /Only one issuer may have an empty prefix/,
      ],
      ['an HS algorithm', [{ ...trusted, algorithms: ['HS256'] }], /algorithms.0": write some of RS256/],
      ['the algorithm none', [{ ...trusted, algorithms: ['none'] }], /algorithms.0": write some of RS256/],
      ['no algorithms', [{ ...trusted, algorithms: [] }], /write one algorithm or more/],
      ['algorithms left out', [{ ...trusted, algorithms: undefined }], /trustedIssuers.0.algorithms"/],
      [
        'a jwksUri over plain http',
        [{ ...trusted, jwksUri: 'http://idp.example.com/keys' }],
        /write an https/,
      ],
      [
        'a jwksUri on loopback of an issuer over https',
        [{ ...trusted, jwksUri: 'http://127.0.0.1:9/keys' }],
        /trustedIssuers.0.jwksUri": this address is on loopback, and the issuer is not/,
      ],
      [
        'a jwksUri over https on loopback of an issuer elsewhere',
        [{ ...trusted, jwksUri: 'https://localhost:9/keys' }],
        /trustedIssuers.0.jwksUri": this address is on loopback, and the issuer is not/,
      ],
      [
        'a jwksUri on loopback of an issuer that is not an address',
        [{ ...trusted, issuer: 'idp', jwksUri: 'http://localhost/keys' }],
        /write an https address/,
      ],
      [
        'an issuer to discover over plain http',
        [{ ...trusted, issuer: 'http://idp.example.com' }],
        /or an issuer that is an https/,
      ],
      [
        'a jwksUri with a password',
        [{ ...trusted, jwksUri: 'https://a:b@idp.example.com/' }],
        /write an https/,
      ],
      [
        'an issuer to discover that is not an address',
        [{ ...trusted, issuer: 'idp' }],
        /or an issuer that is an https/,
      ],
      ['no audience', [{ ...trusted, audience: undefined }], /name your API/],
      ['an empty list of audiences', [{ ...trusted, audience: [] }], /name your API/],
      ['another profile', [{ ...trusted, profile: 'any' }], /write "rfc9068" or "jwt"/],
      ['an unknown option', [{ ...trusted, jwksUrl: 'https://a.example.com' }], /no option "jwksUrl"/],
    ])('%s', (_what, trustedIssuers, why) => {
      const options = { trustedIssuers } as Options
      expect(() => createTestUserData(database, options)).toThrow(OptionError)
      expect(() => createTestUserData(database, options)).toThrow(why)
    })

    it('two empty prefixes, with no keys of our own', () => {
      const collection = database.db.collection('custom_user_data')
      const trustedIssuers = [trusted, second].map(issuer => ({ ...issuer, userIdPrefix: '' }))
      expect(() => createCustomUserData({ collection, trustedIssuers })).toThrow(
        /Only one issuer may have an empty prefix/,
      )
    })
  })

  /** Lets the timers fire once, and waits until a set has been read. */
  async function readInBackground({ server }: TestIssuer): Promise<void> {
    const asked = server.hits.length
    clock.advance(10 * MINUTE)
    vi.advanceTimersByTime(10 * MINUTE)
    await expect.poll(() => server.hits.length).toBeGreaterThan(asked)
    // A token with an unknown key waits for the running fetch.
    await statusOf(idp.token({}, createTestKey('nobody')))
    await statusOf(other.token({}, createTestKey('nobody')))
  }
})
