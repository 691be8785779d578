import { randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { CompactEncrypt } from 'jose'
import { tokenAttack } from './attack.js'
import type { Attack } from './attack.js'
import type { AttackContext, ContextAlgorithm } from './context.js'
import { attackerKeys, claimsText, encode, forge, macWith, partsOf, signAs } from './forge.js'

const FAMILIES: Readonly<Record<ContextAlgorithm, RegExp>> = {
  HS256: /^HS/,
  RS256: /^[RP]S/,
  ES256: /^ES/,
}
const PAIRS: readonly ContextAlgorithm[] = ['RS256', 'ES256']
const NAMES = [
  ...['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512'],
]

/**
 * Signs by every algorithm except the key's own, with the server's key if it fits, or else with an attacker's key.
 */
const otherAlgorithms = NAMES.map(alg =>
  tokenAttack(
    `a right signature by an algorithm that the key is not for: ${alg}`,
    context => forge(context, { header: { alg }, sign: input => signAs(alg, keyFor(alg, context), input) }),
    { contexts: (['HS256', 'RS256', 'ES256'] as const).filter(own => own !== alg) },
  ),
)

/** Names that no algorithm has. The signature is right, so that only the name can be the reason for a refusal. */
const noAlgorithms = [
  ...['none', 'None', 'NONE', 'nOnE', ' none', 'none ', '', 'hs256', 'RS256 ', 'HS257'],
  ...[undefined, null, 0, true, ['HS256'], { name: 'HS256' }],
].flatMap(alg => [
  tokenAttack(`alg ${nameOf(alg)}, signed`, context => forge(context, { header: { alg } })),
  tokenAttack(`alg ${nameOf(alg)}, signature left out`, context =>
    forge(context, { header: { alg }, sign: () => Buffer.alloc(0) }),
  ),
])

const unsigned = [
  tokenAttack('alg none in two parts', context =>
    partsOf(forge(context, { header: { alg: 'none' } }))
      .slice(0, 2)
      .join('.'),
  ),
  tokenAttack('signature left out', context => forge(context, { sign: () => Buffer.alloc(0) })),
  tokenAttack('signature of zeros', context =>
    forge(context, { sign: input => signAs(context.alg, context.key, input).fill(0) }),
  ),
  tokenAttack('signature cut to half', context =>
    forge(context, { sign: input => halfOf(signAs(context.alg, context.key, input)) }),
  ),
  tokenAttack('signature in DER', context =>
    forge(context, { sign: () => Buffer.from('3006020101020101', 'hex') }),
  ),
  tokenAttack('MAC by an empty key', context => forge(context, hs256(''))),
  tokenAttack('MAC by the text "undefined"', context => forge(context, hs256('undefined'))),
  tokenAttack('MAC by an empty key, of an unknown kid', context =>
    forge(context, { ...hs256(''), header: { alg: 'HS256', kid: 'unknown' } }),
  ),
  tokenAttack("signed by the attacker's own key", context =>
    forge(context, { sign: input => signAs(context.alg, attackerKeyFor(context.alg), input) }),
  ),
]

/** Attackers know the public key. A guard that takes it for a secret accepts tokens of attackers (CVE-2022-23541). */
const confusions = [
  confusion('PEM', key => pemOf(key)),
  confusion('PEM without its last newline', key => pemOf(key).trimEnd()),
  confusion('PEM with CRLF', key => pemOf(key).replaceAll('\n', '\r\n')),
  confusion('PEM after a space', key => ` ${pemOf(key)}`),
  confusion('PEM after a tab', key => `\t${pemOf(key)}`),
  confusion('PEM after a newline', key => `\n${pemOf(key)}`),
  confusion('PEM after a byte order mark', key => `\ufeff${pemOf(key)}`),
  confusion('PEM and a space', key => `${pemOf(key)} `),
  confusion('PEM on one line', key => pemOf(key).replaceAll('\n', '')),
  confusion('base64 of the PEM', key => pemOf(key).replace(/-----[^-]+-----|\n/g, '')),
  confusion('DER', key => key.export({ format: 'der', type: 'spki' })),
  confusion('DER in hex', key => key.export({ format: 'der', type: 'spki' }).toString('hex')),
  confusion('JWK', key => JSON.stringify(key.export({ format: 'jwk' }))),
  confusion('JWK with use', key => JSON.stringify({ ...key.export({ format: 'jwk' }), use: 'sig' })),
  confusion('PKCS#1 PEM', key => key.export({ format: 'pem', type: 'pkcs1' }), ['RS256']),
  confusion('PKCS#1 DER', key => key.export({ format: 'der', type: 'pkcs1' }), ['RS256']),
  confusion('modulus', key => Buffer.from(key.export({ format: 'jwk' }).n ?? '', 'base64url'), ['RS256']),
  confusion('x coordinate', key => key.export({ format: 'jwk' }).x ?? '', ['ES256']),
  confusion('point', key => key.export({ format: 'der', type: 'spki' }).subarray(-65), ['ES256']),
]

const encrypted = [
  tokenAttack('JWE by the secret', ({ secret = '' }) => jwe('dir', Buffer.from(secret)), {
    contexts: ['HS256'],
  }),
  tokenAttack('JWE by the secret as a password', ({ secret = '' }) => passwordJwe(secret), {
    contexts: ['HS256'],
  }),
  tokenAttack('JWE to the public key', ({ publicKey }) => jwe('RSA-OAEP-256', publicKey!), {
    contexts: ['RS256'],
  }),
  tokenAttack('JWE to the public key', ({ publicKey }) => jwe('ECDH-ES', publicKey!), {
    contexts: ['ES256'],
  }),
  tokenAttack('JWE that says it is compressed', () => fakeJwe({ zip: 'DEF' })),
  tokenAttack('JWE that asks for 2^31 rounds', () =>
    fakeJwe({ alg: 'PBES2-HS256+A128KW', p2c: 2 ** 31, p2s: 'c2FsdA' }),
  ),
]

const edwards = ['EdDSA', 'Ed25519'].map(alg =>
  tokenAttack(`signed by ${alg}`, context =>
    forge(context, {
      header: { alg },
      sign: input => signAs('EdDSA', attackerKeys.Ed.privateKey, input),
    }),
  ),
)

/** Attacks on the choice of the algorithm. */
export const attacksOnAlgorithms: readonly Attack[] = [
  ...otherAlgorithms,
  ...noAlgorithms,
  ...unsigned,
  ...confusions,
  ...encrypted,
  ...edwards,
]

function confusion(
  form: string,
  toSecret: (publicKey: KeyObject) => string | Buffer,
  contexts = PAIRS,
): Attack {
  return tokenAttack(
    `HS256 by the public key taken for a secret: ${form}`,
    context => forge(context, hs256(toSecret(context.publicKey!))),
    { contexts },
  )
}

function hs256(secret: string | Buffer) {
  return { header: { alg: 'HS256' }, sign: macWith(secret) }
}

function pemOf(publicKey: KeyObject): string {
  return publicKey.export({ format: 'pem', type: 'spki' }).toString()
}

function keyFor(alg: string, { alg: own, key }: AttackContext): KeyObject {
  const fits = FAMILIES[own].test(alg) && (own !== 'ES256' || alg === 'ES256')
  return fits ? key : attackerKeyFor(alg)
}

function attackerKeyFor(alg: string): KeyObject {
  if (alg.startsWith('HS')) return attackerKeys.secret
  return (alg.startsWith('ES') ? attackerKeys.ES : attackerKeys.RS).privateKey
}

function halfOf(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.length / 2)
}

function nameOf(alg: unknown): string {
  return alg === undefined ? 'missing' : JSON.stringify(alg)
}

function jwe(alg: string, key: KeyObject | Uint8Array): Promise<string> {
  const header = { alg, enc: 'A256GCM', typ: 'at+jwt' }
  return new CompactEncrypt(Buffer.from(claimsText())).setProtectedHeader(header).encrypt(key)
}

function passwordJwe(password: string): Promise<string> {
  return jwe('PBES2-HS256+A128KW', Buffer.from(password))
}

function fakeJwe(header: Readonly<Record<string, unknown>>): string {
  const parts = [
    JSON.stringify({ alg: 'dir', enc: 'A256GCM', ...header }),
    ...[16, 12, 64, 16].map(size => randomBytes(size)),
  ]
  return parts.map(encode).join('.')
}
