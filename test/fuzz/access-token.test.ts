import { createHmac } from 'node:crypto'
import { Agent, request } from 'node:http'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KeyOptions } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { createTestKey } from '../support/key-server.js'
import { createGuardedApp, serve } from '../support/http-server.js'
import type { TestServer } from '../support/http-server.js'
import {
  AUDIENCE,
  createTestUserData,
  forgeToken,
  ISSUER,
  KID,
  SECRET,
  validClaims,
} from '../support/user-data.js'

const RUNS = { numRuns: 300 }
const REFUSED = [400, 401]
const CASES = ['at+jwt', 'AT+JWT', 'At+Jwt', 'application/at+jwt', 'APPLICATION/AT+JWT']

describe('random access tokens', () => {
  const agent = new Agent({ keepAlive: true })
  const valid = forgeToken()
  const pair = createTestKey()
  /** The signature of this token is decoded before it is compared, so other spellings of it might pass. */
  const signedByPair = pair.sign(validClaims())
  const database = useDatabase()
  let server: TestServer
  beforeAll(async () => {
    const keys: KeyOptions[] = [
      { kid: KID, alg: 'HS256', key: SECRET },
      { kid: pair.kid, alg: 'ES256', key: pair.jwk },
    ]
    const userData = createTestUserData(database, { keys })
    await userData.ready()
    server = await serve(createGuardedApp(userData))
    // Now the valid token is cached, like a token that an attacker has seen in use.
    expect(await statusOf(`Bearer ${valid}`)).toBe(200)
  })
  afterAll(async () => {
    agent.destroy()
    await server.close()
  })

  /** Sends a request with this exact header. `fetch` would trim it. */
  function statusOf(authorization: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const sent = request(`${server.origin}/me`, { agent, headers: { authorization } }, response => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0))
      })
      sent.on('error', reject).end()
    })
  }

  async function expectRefused(authorization: string): Promise<void> {
    expect(REFUSED).toContain(await statusOf(authorization))
  }

  it('any text as the header is refused, and never with a 5xx', async () => {
    await fc.assert(fc.asyncProperty(headerText(), expectRefused), RUNS)
  })

  it('any text around or inside "Bearer" and a valid token is refused', async () => {
    const around = fc.tuple(headerText(8), headerText(4), headerText(8))
    await fc.assert(
      fc.asyncProperty(around, async ([before, between, after]) => {
        const header = `${before}Bearer${between}${valid}${after}`
        // Node trims the value of a header, and several spaces before the token are allowed.
        fc.pre(!/^bearer +\S+$/i.test(header.trim()) || after.trim() !== '')
        await expectRefused(header)
      }),
      RUNS,
    )
  })

  it('a valid token with a bit flipped is refused', async () => {
    const bit = fc.tuple(fc.nat(valid.length - 1), fc.nat(6))
    await fc.assert(
      fc.asyncProperty(bit, async ([at, shift]) => {
        const flipped = String.fromCharCode(valid.charCodeAt(at) ^ (1 << shift))
        fc.pre(isHeaderText(flipped))
        const token = `${valid.slice(0, at)}${flipped}${valid.slice(at + 1)}`
        await expectRefused(`Bearer ${token}`)
      }),
      RUNS,
    )
  })

  it('a valid token whose base64 ends in another letter is refused, whatever its algorithm', async () => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_='
    for (const token of [valid, signedByPair]) {
      expect(await statusOf(`Bearer ${token}`)).toBe(200)
      for (const part of [0, 1, 2]) {
        for (const letter of letters) {
          const parts = token.split('.')
          parts[part] = parts[part]!.slice(0, -1) + letter
          if (parts.join('.') !== token) await expectRefused(`Bearer ${parts.join('.')}`)
        }
      }
    }
  })

  it('a valid token with something inserted, removed or doubled is refused', async () => {
    const change = fc.record({
      at: fc.nat(valid.length),
      removed: fc.nat(8),
      inserted: fc.oneof(headerText(8), fc.constantFrom('.', '..', '=', '==', '%', '-', '_', valid)),
    })
    await fc.assert(
      fc.asyncProperty(change, async ({ at, removed, inserted }) => {
        const token = `${valid.slice(0, at)}${inserted}${valid.slice(at + removed)}`
        fc.pre(token.trim() !== valid)
        await expectRefused(`Bearer ${token}`)
      }),
      RUNS,
    )
  })

  it('parts of two valid tokens in any other order or number are refused', async () => {
    const parts = [...valid.split('.'), ...forgeToken({ claims: validClaims('bob') }).split('.'), '']
    const choice = fc.array(fc.constantFrom(...parts), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(choice, async chosen => {
        const token = chosen.join('.')
        const [, payload, signature] = chosen
        const isWhole = chosen.length === 3 && parts.indexOf(signature!) === parts.indexOf(payload!) + 1
        fc.pre(!isWhole)
        await expectRefused(`Bearer ${token}`)
      }),
      RUNS,
    )
  })

  it('any header that is signed by the right key is accepted only if it says the same as ours', async () => {
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(headers(), async header => {
        const status = await statusOf(`Bearer ${sign(header, validClaims())}`)
        if (status === 200) accepted++
        expect(status).toBe(isOurHeader(header) ? 200 : 401)
      }),
      RUNS,
    )
    expect(accepted).toBeGreaterThan(0)
  })

  it('any claims that are signed by the right key are accepted only if they are valid', async () => {
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(claimSets(), async claims => {
        const status = await statusOf(`Bearer ${sign({ alg: 'HS256', typ: 'at+jwt', kid: KID }, claims)}`)
        if (status === 200) accepted++
        expect(status).toBe(areValid(claims) ? 200 : 401)
      }),
      RUNS,
    )
    expect(accepted).toBeGreaterThan(0)
  })

  it('any JSON as header or payload, signed by the right key, is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 3 }), async value => {
        await expectRefused(`Bearer ${sign({ alg: 'HS256', typ: 'at+jwt', kid: KID }, value)}`)
        await expectRefused(`Bearer ${sign(value, validClaims())}`)
      }),
      RUNS,
    )
  })

  it('any bytes as header or payload, signed by the right key, are refused', async () => {
    const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'at+jwt', kid: KID }))
    const claims = Buffer.from(JSON.stringify(validClaims()))
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async bytes => {
        await expectRefused(`Bearer ${signBytes(header, bytes)}`)
        await expectRefused(`Bearer ${signBytes(bytes, claims)}`)
      }),
      RUNS,
    )
  })
})

/** Texts that Node accepts in a header. */
function isHeaderText(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}

function headerText(maxLength = 60): fc.Arbitrary<string> {
  const character = fc.integer({ min: 0, max: 0xff }).map(code => String.fromCharCode(code))
  const telling = fc.constantFrom('Bearer', ' ', '.', ',', '=', '"', 'Basic ', '\t', 'e30')
  const piece = fc.oneof(character.filter(isHeaderText), telling)
  return fc.array(piece, { maxLength }).map(pieces => pieces.join(''))
}

/** Our own header with some members replaced by random values. */
function headers(): fc.Arbitrary<Record<string, unknown>> {
  const anything = fc.jsonValue({ maxDepth: 1 })
  return fc.record(
    {
      alg: fc.oneof(
        { weight: 6, arbitrary: fc.constant('HS256') },
        fc.constantFrom('none', 'hs256', 'HS384', 'RS256', ''),
        anything,
      ),
      typ: fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...CASES) },
        fc.constantFrom('JWT', '', 'dpop+jwt'),
        anything,
      ),
      kid: fc.oneof(
        { weight: 6, arbitrary: fc.constant(KID) },
        fc.constantFrom('', '__proto__', '../'),
        anything,
      ),
      crit: fc.oneof({ weight: 1, arbitrary: anything }, fc.constant([])),
      jku: fc.constant('http://127.0.0.1:9/'),
      x5u: anything,
    },
    { requiredKeys: ['alg', 'typ'] },
  )
}

/** Two keys, so that a token must name its own. */
function isOurHeader(header: Record<string, unknown>): boolean {
  const { alg, typ, kid } = header
  const isTyp = typeof typ === 'string' && CASES.includes(typ)
  return alg === 'HS256' && isTyp && kid === KID && !('crit' in header)
}

/** Valid claims of which some are missing or replaced by random values. */
function claimSets(): fc.Arbitrary<Record<string, unknown>> {
  const now = Math.floor(Date.now() / 1000)
  const other = fc.oneof(
    fc.jsonValue({ maxDepth: 1 }),
    fc.constantFrom(
      ISSUER,
      AUDIENCE,
      [AUDIENCE],
      ['x', AUDIENCE],
      `${AUDIENCE}/`,
      now - 60,
      now + 60,
      `${now + 60}`,
    ),
  )
  const { iss, aud, sub, client_id, iat, exp, jti } = validClaims()
  const names = ['iss', 'aud', 'sub', 'client_id', 'iat', 'exp', 'jti', 'nbf', 'sid', 'cnf']
  const changes = fc.dictionary(fc.constantFrom(...names), fc.option(other, { nil: undefined }), {
    maxKeys: 2,
  })
  return changes.map(changed => ({ iss, aud, sub, client_id, iat, exp, jti, ...changed }))
}

/** Checks RFC 9068 section 4 independently of the library. */
function areValid(claims: Record<string, unknown>): boolean {
  const {
    iss,
    aud,
    sub,
    client_id: client,
    iat,
    exp,
    jti,
    nbf,
    sid,
    cnf,
  } = JSON.parse(JSON.stringify(claims)) as Record<string, unknown>
  const now = Date.now() / 1000
  const isText = (value: unknown, longest: number) =>
    typeof value === 'string' && value.length > 0 && value.length <= longest
  return (
    iss === ISSUER &&
    [aud].flat().includes(AUDIENCE) &&
    isText(sub, 255) &&
    isText(client, 1024) &&
    client !== sub &&
    isText(jti, 1024) &&
    (sid === undefined || isText(sid, 1024)) &&
    cnf === undefined &&
    typeof iat === 'number' &&
    typeof exp === 'number' &&
    now < exp + 5 &&
    (nbf === undefined || (typeof nbf === 'number' && now >= nbf - 5))
  )
}

function sign(header: unknown, payload: unknown): string {
  return signBytes(Buffer.from(JSON.stringify(header)), Buffer.from(JSON.stringify(payload)))
}

function signBytes(header: Uint8Array, payload: Uint8Array): string {
  const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`
}
