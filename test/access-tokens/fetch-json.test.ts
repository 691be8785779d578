import { gzipSync } from 'node:zlib'
import type { RequestListener } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fetchJson, isFetchable, isLoopbackAddress } from '../../lib/access-tokens/fetch-json.js'
import { answerJson, startKeyServer } from '../support/key-server.js'
import type { KeyServer } from '../support/key-server.js'

const LIMITS = { timeoutMs: 5_000, maxBytes: 1_000, issuer: 'http://localhost' }

const ELSEWHERE = 'https://issuer.example.com'
const HTTP_HERE = 'http://127.0.0.1:3000'
const HTTPS_HERE = 'https://localhost:3000'

describe('an address that may be fetched', () => {
  it.each(['https://issuer.example.com/keys', 'https://issuer.example.com:8443/keys?of=us'])(
    'is %s',
    address => {
      expect(isLoopbackAddress(address)).toBe(false)
      for (const issuer of [ELSEWHERE, HTTP_HERE, 'urn:issuer']) {
        expect(isFetchable(address, issuer)).toBe(true)
      }
    },
  )

  it.each([
    'http://localhost:3000/keys',
    'http://127.0.0.1/keys',
    'http://127.8.9.10/keys',
    'http://127.1/keys',
    'http://2130706433/keys',
    'http://[::1]:3000/keys',
  ])('is %s, but only if the issuer is an http address on loopback', address => {
    expect(isLoopbackAddress(address)).toBe(true)
    expect(isFetchable(address, HTTP_HERE)).toBe(true)
    for (const issuer of [ELSEWHERE, HTTPS_HERE, 'localhost', 'urn:issuer']) {
      expect(isFetchable(address, issuer)).toBe(false)
    }
  })

  it.each([
    'https://localhost/keys',
    'https://LOCALHOST./keys',
    'https://idp.localhost:8443/keys',
    'https://127.0.0.1/keys',
    'https://0x7f.1/keys',
    'https://[::1]/keys',
    'https://[::ffff:127.0.0.1]/keys',
  ])('is %s, but only if the issuer is on loopback', address => {
    expect(isLoopbackAddress(address)).toBe(true)
    expect(isFetchable(address, HTTP_HERE)).toBe(true)
    expect(isFetchable(address, HTTPS_HERE)).toBe(true)
    expect(isFetchable(address, ELSEWHERE)).toBe(false)
  })

  it.each([
    'http://issuer.example.com/keys',
    'http://localhost.example.com/keys',
    'http://127.0.0.1.example.com/keys',
    'http://[::2]/keys',
    'http://169.254.169.254/latest/meta-data',
    'http://0.0.0.0/keys',
    'https://0.0.0.0/keys',
    'https://[::]/keys',
    'https://[::ffff:0.0.0.0]/keys',
    'https://user@issuer.example.com/keys',
    'https://user:password@issuer.example.com/keys',
    'https://:password@issuer.example.com/keys',
    'ftp://localhost/keys',
    'file:///etc/keys.json',
    'data:application/json,{}',
    'localhost:3000',
    '/keys.json',
    '',
  ])('is not "%s"', address => {
    expect(isFetchable(address, HTTP_HERE)).toBe(false)
  })
})

describe('fetching JSON', () => {
  let server: KeyServer
  beforeEach(async () => {
    server = await startKeyServer()
  })
  afterEach(() => server.close())

  function fetchIt(answer: RequestListener, limits = LIMITS): Promise<unknown> {
    server.answerBy(answer)
    return fetchJson(server.jwksUri, limits)
  }

  it('returns the JSON whatever its content type, with or without a byte order mark', async () => {
    expect(await fetchIt(answerJson({ a: [1] }))).toEqual({ a: [1] })
    expect(await fetchIt((_req, res) => res.setHeader('content-type', 'text/plain').end('[1]'))).toEqual([1])
    expect(await fetchIt((_req, res) => res.end('\ufeff[1]'))).toEqual([1])
  })

  it('asks for JSON, and sends no cookie, token or other data', async () => {
    let headers = {}
    await fetchIt((req, res) => {
      headers = req.headers
      answerJson(null)(req, res)
    })
    expect(headers).toMatchObject({ accept: 'application/json' })
    expect(headers).not.toHaveProperty('authorization')
    expect(headers).not.toHaveProperty('cookie')
  })

  it('accepts exactly as many bytes as allowed', async () => {
    const text = JSON.stringify('x'.repeat(LIMITS.maxBytes - 2))
    await expect(fetchIt((_req, res) => res.end(text))).resolves.toHaveLength(LIMITS.maxBytes - 2)
    await expect(fetchIt((_req, res) => res.end(`${text} `))).rejects.toThrow('larger than 1000 bytes')
  })

  it('counts bytes after they are unpacked, so that a small answer cannot become a large one', async () => {
    const packed = gzipSync(JSON.stringify('x'.repeat(1_000_000)))
    const answer: RequestListener = (_req, res) => res.setHeader('content-encoding', 'gzip').end(packed)
    await expect(fetchIt(answer, { ...LIMITS, maxBytes: 10_000 })).rejects.toThrow('larger than 10000 bytes')
  })

  it('ends the transfer once it is over the limit', async () => {
    let sent = 0
    const ended = new Promise<void>(resolve => {
      server.answerBy((_req, res) => {
        const chunk = Buffer.alloc(16 * 1024, ' ')
        const write = (): void => {
          do sent += chunk.length
          while (!res.destroyed && res.write(chunk))
        }
        res.on('drain', write).on('close', resolve)
        write()
      })
    })
    await expect(fetchJson(server.jwksUri, LIMITS)).rejects.toThrow('larger than 1000 bytes')
    await ended
    expect(sent).toBeLessThan(16 * 1024 * 1024)
  })

  it.each([
    ['before it answers', () => undefined],
    ['after its headers', (_req, res) => res.writeHead(200).flushHeaders()],
    ['in the middle of its body', (_req, res) => res.writeHead(200).write('{"keys":')],
  ] satisfies [string, RequestListener][])(
    'ends a fetch from a server that hangs %s',
    async (_when, answer) => {
      await expect(fetchIt(answer, { ...LIMITS, timeoutMs: 50 })).rejects.toThrow('No answer within')
    },
  )

  it('accepts an answer that arrived while the event loop was blocked for longer than the timeout', async () => {
    const answer: RequestListener = (_req, res) => {
      res.end('[1]', () => {
        const until = performance.now() + 2_200
        while (performance.now() < until);
      })
    }
    expect(await fetchIt(answer, { ...LIMITS, timeoutMs: 2_000 })).toEqual([1])
  })

  it.each([301, 302, 303, 307, 308])('does not follow a redirect of %i', async status => {
    const elsewhere: RequestListener = (_req, res) => res.writeHead(status, { location: '/elsewhere' }).end()
    await expect(fetchIt(elsewhere)).rejects.toThrow()
    expect(server.hits).toEqual(['/jwks.json'])
  })

  it.each([201, 204, 206, 400, 401, 404, 500, 503])('refuses an answer of status %i', async status => {
    const answer: RequestListener = (_req, res) => res.writeHead(status).end(status === 204 ? '' : '{}')
    await expect(fetchIt(answer)).rejects.toThrow(`The status of the answer is ${status}, not 200.`)
  })

  it('refuses an answer that is not UTF-8 or not JSON', async () => {
    await expect(fetchIt((_req, res) => res.end(Buffer.from([0x22, 0xff, 0x22])))).rejects.toThrow()
    await expect(fetchIt((_req, res) => res.end('<html>'))).rejects.toThrow(SyntaxError)
    await expect(fetchIt((_req, res) => res.end())).rejects.toThrow(SyntaxError)
  })

  it('sends no request to an address that is not allowed', async () => {
    await expect(fetchJson('http://issuer.example.com', LIMITS)).rejects.toThrow('must be https')
    const strict = { ...LIMITS, issuer: ELSEWHERE }
    await expect(fetchJson(server.jwksUri, strict)).rejects.toThrow('must be https')
    expect(server.hits).toEqual([])
  })
})
