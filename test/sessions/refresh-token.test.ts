import { createHash, createSecretKey, randomBytes } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { describe, expect, it } from 'vitest'
import {
  createRefreshToken,
  createSid,
  deriveSuccessor,
  hashRefreshToken,
  isSealed,
  parseRefreshToken,
} from '../../lib/sessions/refresh-token.js'
import type { RefreshToken } from '../../lib/sessions/refresh-token.js'

const secret = newSecret('one')
const other = newSecret('other')

function newSecret(name: string) {
  return { name, key: createSecretKey(randomBytes(32)) }
}

const newToken = () => createRefreshToken(createSid(), secret)

describe('a new refresh token', () => {
  it('names its session, and holds 256 random bits (ASVS 7.2.3)', () => {
    const sid = createSid()
    const token = createRefreshToken(sid, secret)
    expect(token).toMatchObject({ sid, generation: 0 })
    expect(token.text).toMatch(/^[\w-]{22}\.0\.[\w-]{43}\.[\w-]{22}$/)
    expect(Buffer.from(token.secret, 'base64url')).toHaveLength(32)
  })

  it('is unique, and so is its session id', () => {
    const tokens = Array.from({ length: 1000 }, () => createRefreshToken('A'.repeat(22), secret).text)
    expect(new Set(tokens).size).toBe(1000)
    expect(new Set(Array.from({ length: 1000 }, createSid)).size).toBe(1000)
  })

  it('has about as many ones as zeros', () => {
    let ones = 0
    for (let i = 0; i < 1000; i++) {
      for (const byte of Buffer.from(newToken().secret, 'base64url')) ones += bitsOf(byte)
    }
    // 256,000 bits: five standard deviations are 1,265.
    expect(Math.abs(ones - 128_000)).toBeLessThan(1_265)
  })
})

it('a refresh token never looks like a JWT, so that an app can tell it from an old one of its own', () => {
  for (const { text } of [newToken(), deriveSuccessor(newToken(), secret)]) {
    expect(text.split('.')).not.toHaveLength(3)
    expect(jwt.decode(text)).toBeNull()
  }
})

describe('the successor of a refresh token', () => {
  it('is the same in every process, and has the next generation of the same session', () => {
    const token = newToken()
    const [first, second] = [deriveSuccessor(token, secret), deriveSuccessor({ ...token }, secret)]
    expect(first).toEqual(second)
    expect(first).toMatchObject({ sid: token.sid, generation: 1 })
    expect(parseRefreshToken(first.text)).toEqual(first)
  })

  it('depends on the token, session, generation and session secret', () => {
    const token = newToken()
    const variants = [
      deriveSuccessor(token, secret),
      deriveSuccessor(token, other),
      deriveSuccessor({ ...token, sid: createSid() }, secret),
      deriveSuccessor({ ...token, generation: 7 }, secret),
      deriveSuccessor(newToken(), secret),
    ]
    expect(new Set(variants.map(variant => variant.secret)).size).toBe(variants.length)
  })

  it('cannot be derived from the stored hash', () => {
    const token = newToken()
    const stored = { ...token, text: hashRefreshToken(token) }
    expect(deriveSuccessor(stored, secret).secret).not.toBe(deriveSuccessor(token, secret).secret)
  })
})

it('only the SHA-256 of the whole token is stored', () => {
  const token = newToken()
  const expected = createHash('sha256').update(token.text).digest('base64url')
  expect(hashRefreshToken(token)).toBe(expected)
})

describe('the seal of a token', () => {
  it('is valid on each token of ours, whichever session secret made it', () => {
    const chain = [newToken()]
    for (let i = 0; i < 5; i++) chain.push(deriveSuccessor(chain.at(-1)!, i % 2 ? other : secret))
    for (const token of chain) expect(isSealed(token, [other, secret])).toBe(true)
  })

  it('cannot be made without the secret', () => {
    expect(isSealed(newToken(), [other])).toBe(false)
    expect(isSealed(newToken(), [])).toBe(false)
  })

  it('breaks with each character that is changed', () => {
    const { text } = newToken()
    for (const [index, character] of text.split('').entries()) {
      if (character === '.') continue
      const forged = parseRefreshToken(replaceAt(text, index, character === '1' ? '2' : '1'))
      expect(forged === undefined || !isSealed(forged, [secret]), `at ${index}`).toBe(true)
    }
  })
})

describe('parsing a refresh token', () => {
  it('returns the parts of the token', () => {
    const token = newToken()
    expect(parseRefreshToken(token.text)).toEqual(token)
  })

  it('accepts the last possible generation', () => {
    const { sid, secret: bits } = newToken()
    const text = `${sid}.999999999.${bits}.${'A'.repeat(22)}`
    expect(parseRefreshToken(text)).toMatchObject({ generation: 999_999_999 })
  })

  it.each<[string, (token: RefreshToken) => string]>([
    ['nothing', () => ''],
    ['no seal', ({ text }) => text.split('.').slice(0, 3).join('.')],
    ['a fifth part', ({ text }) => `${text}.a`],
    ['padding', ({ text }) => `${text}=`],
    ['a line feed at its end', ({ text }) => `${text}\n`],
    ['a space before it', ({ text }) => ` ${text}`],
    ['a leading zero', ({ text }) => text.replace('.0.', '.00.')],
    ['a negative generation', ({ text }) => text.replace('.0.', '.-1.')],
    ['a generation in hex', ({ text }) => text.replace('.0.', '.0x1.')],
    ['a generation of ten digits', ({ text }) => text.replace('.0.', '.1000000000.')],
    ['a short secret', ({ text }) => text.replace(/\w\.([\w-]{22})$/, '.$1')],
    ['letters beyond ASCII', ({ text }) => text.replace(/^../, 'ää')],
    ['an operator', () => '{"$gt":""}'],
  ])('refuses a text with %s', (_name, change) => {
    expect(parseRefreshToken(change(newToken()))).toBeUndefined()
  })
})

function bitsOf(byte: number): number {
  return byte.toString(2).replaceAll('0', '').length
}

function replaceAt(text: string, index: number, character: string): string {
  return text.slice(0, index) + character + text.slice(index + 1)
}
