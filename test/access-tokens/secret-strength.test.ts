import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { requireStrongSecret } from '../../lib/access-tokens/secret-strength.js'
import { OptionError } from '../../lib/errors.js'

const REPEATS = 'repeats the same 16 bytes or fewer again and again'
const COUNTS = 'counts up or down from byte to byte'
const MAKE_ONE = `Write a random secret, made with: node -p "crypto.randomBytes(32).toString('base64url')"`

function check(secret: string | Buffer, minBytes = 32): void {
  const key = createSecretKey(Buffer.from(secret))
  requireStrongSecret(key, { minBytes, reason: 'a reason.' }, 'secret')
}

const sixteen = randomBytes(16)
const ascending = Buffer.from(Array.from({ length: 32 }, (_item, index) => index))
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const publicPem = publicKey.export({ format: 'pem', type: 'spki' })
const publicDer = publicKey.export({ format: 'der', type: 'spki' })
const publicJwk = JSON.stringify(publicKey.export({ format: 'jwk' }))
const PUBLIC = 'is a public key, which everybody may have.'

describe('a secret that is easy to guess is refused, with the reason and what to write instead', () => {
  it.each<[string, string | Buffer, string]>([
    ['31 random bytes', randomBytes(31), 'has 31 bytes: a reason.'],
    ['nothing', '', 'has 0 bytes: a reason.'],
    ['32 zero bytes', Buffer.alloc(32), REPEATS],
    ['64 bytes of 255', Buffer.alloc(64, 255), REPEATS],
    ['32 spaces', ' '.repeat(32), REPEATS],
    ['one repeated word', 'correct horse '.repeat(3), REPEATS],
    ['one repeated word that ends within itself', 'correct horse '.repeat(4).slice(0, 45), REPEATS],
    ['16 random bytes twice', Buffer.concat([sixteen, sixteen]), REPEATS],
    ['a repeated word and a line break', `${'tiger'.repeat(8)}\n`, REPEATS],
    ['zero bytes as hex', Buffer.alloc(32).toString('hex'), REPEATS],
    ['zero bytes as base64', Buffer.alloc(32).toString('base64'), REPEATS],
    ['a repeated word as base64', Buffer.from('tiger'.repeat(8)).toString('base64'), REPEATS],
    ['0, 1, 2, …', ascending, COUNTS],
    ['0, 1, 2, … as hex', ascending.toString('hex'), COUNTS],
    ['255, 254, …', Buffer.from(ascending.map(byte => 255 - byte)), COUNTS],
    ['7, 14, 21, … beyond 255', Buffer.from(Array.from({ length: 64 }, (_item, index) => 7 * index)), COUNTS],
    ['few different bytes', 'abbaacabcabbabcacbcabcacbbacbcaabcbaccab', 'has only 3 different bytes'],
    ['a public key in PEM', publicPem, 'is a key in PEM format'],
    ['a public key as bytes', publicDer, PUBLIC],
    ['a public key in base64, without the lines of PEM', publicDer.toString('base64'), PUBLIC],
    ['the text of a public JWK', publicJwk, PUBLIC],
    ['the text of a public JWK in base64', Buffer.from(publicJwk).toString('base64url'), PUBLIC],
  ])('%s', (_title, secret, message) => {
    const refused = () => {
      check(secret)
    }
    expect(refused).toThrow(OptionError)
    expect(refused).toThrow(`secret ${message}`)
    expect(refused).toThrow(MAKE_ONE)
  })

  it('and the advice makes a secret that is long enough for the algorithm', () => {
    expect(() => {
      check(randomBytes(63), 64)
    }).toThrow('crypto.randomBytes(64)')
  })
})

describe('a random secret is accepted', () => {
  it.each<[string, () => string | Buffer]>([
    ['bytes', () => randomBytes(32)],
    ['hex', () => randomBytes(16).toString('hex')],
    ['base64', () => randomBytes(32).toString('base64')],
    ['base64url', () => randomBytes(24).toString('base64url')],
    ['hex with a line break', () => `${randomBytes(32).toString('hex')}\n`],
  ])('as %s, 500 times', (_form, make) => {
    for (let made = 0; made < 500; made++) check(make())
  })

  it('even if it repeats after 17 bytes', () => {
    const unit = randomBytes(17)
    check(Buffer.concat([unit, unit]))
  })
})
