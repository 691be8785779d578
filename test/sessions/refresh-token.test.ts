import { describe, expect, it } from 'vitest'
import {
  createRefreshToken,
  createSid,
  hashRefreshToken,
  parseRefreshToken,
} from '../../lib/sessions/refresh-token.js'

describe('a refresh token', () => {
  it('holds 256 random bits, and a session id of 128', () => {
    const [sid, generation, secret] = createRefreshToken(createSid(), 7).text.split('.')
    expect(Buffer.from(sid!, 'base64url')).toHaveLength(16)
    expect(generation).toBe('7')
    expect(Buffer.from(secret!, 'base64url')).toHaveLength(32)
  })

  it('is another each time, of the same session too', () => {
    const sid = createSid()
    const texts = Array.from({ length: 1_000 }, () => createRefreshToken(sid, 0).text)
    expect(new Set(texts).size).toBe(1_000)
    expect(new Set(Array.from({ length: 1_000 }, createSid)).size).toBe(1_000)
  })

  it('is read back as it was made', () => {
    const token = createRefreshToken(createSid(), 123)
    expect(parseRefreshToken(token.text)).toEqual(token)
  })

  it('is hashed whole', () => {
    const token = createRefreshToken(createSid(), 0)
    const other = { ...token, text: token.text.replace('.0.', '.1.') }
    expect(hashRefreshToken(token)).toMatch(/^[\w-]{43}$/)
    expect(hashRefreshToken(other)).not.toBe(hashRefreshToken(token))
    expect(token.text).not.toContain(hashRefreshToken(token))
  })

  const sid = 'a'.repeat(22)
  const secret = 'b'.repeat(43)
  it.each([
    '',
    sid,
    `${sid}.0`,
    `${sid}.0.${secret}x`,
    `${sid}.0.${secret.slice(1)}`,
    `${sid}x.0.${secret}`,
    `${sid}.01.${secret}`,
    `${sid}.-1.${secret}`,
    `${sid}.1e3.${secret}`,
    `${sid}.1234567890.${secret}`,
    `${sid}.0.${secret}\n`,
    ` ${sid}.0.${secret}`,
    `${sid}.0.${secret.slice(1)}=`,
    `${sid}.0.${secret}.0`,
    `${sid.replace('a', '$')}.0.${secret}`,
  ])('is never %j', text => {
    expect(parseRefreshToken(text)).toBeUndefined()
  })
})
