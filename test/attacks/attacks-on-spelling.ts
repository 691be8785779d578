import { tokenAttack } from './attack.js'
import type { Attack } from './attack.js'
import type { AttackContext } from './context.js'
import { claimsText, encode, forge, partsOf, signAs } from './forge.js'

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** RFC 8725bis 3.14 and RFC 7515 2: a token has exactly one spelling. */
const spellings = [
  tokenAttack('= at the end', context => `${forge(context)}=`),
  tokenAttack('== at the end', context => `${forge(context)}==`),
  tokenAttack('= in the header', context => respelled(context, header => `${header}=`), {
    expected: 400,
  }),
  tokenAttack('a space inside', context => forge(context).replace('.', '. '), { expected: 400 }),
  tokenAttack('a tab inside', context => forge(context).replace('.', '.\t'), { expected: 400 }),
  tokenAttack('a line break inside', context => forge(context).replace('.', '.\r\n '), {
    expected: 400,
  }),
  tokenAttack('a NUL at the end', context => `${forge(context)}\0`, { expected: 400 }),
  tokenAttack('a letter outside ASCII', context => `${forge(context)}\u00e9`, { expected: 400 }),
  tokenAttack('a percent escape', context => forge(context).replace('.', '%2E'), { expected: 400 }),
  tokenAttack('~ at the end', context => `${forge(context)}~`),
  tokenAttack('a dot at the end', context => `${forge(context)}.`),
  tokenAttack('a dot at the start', context => `.${forge(context)}`),
  tokenAttack('a fourth part', context => `${forge(context)}.AAAA`),
  tokenAttack('one part', context => partsOf(forge(context))[0]),
  tokenAttack('plain base64', plainBase64),
  tokenAttack('JSON, flattened', flattened, { expected: 400 }),
  tokenAttack('JSON, flattened, in base64url', context => encode(flattened(context))),
]

const unusedBits = [
  tokenAttack('unused bits set in the signature', context => {
    const [header, payload, signature] = partsOf(forge(context))
    return [header, payload, withUnusedBits(signature)].join('.')
  }),
  tokenAttack('unused bits set in the header, signed so', context => respelled(context, withUnusedBits)),
  tokenAttack('unused bits set in the payload, signed so', context =>
    respelled(context, header => header, withUnusedBits),
  ),
]

/** The victim was served before, so a snapshot is cached for the victim's token. */
const nearVictims = [
  tokenAttack(
    "a cached victim's header and payload, signature of another token",
    ({ victimToken, ...context }) => {
      const [header, payload] = partsOf(victimToken)
      return [header, payload, partsOf(forge(context))[2]].join('.')
    },
  ),
  tokenAttack("a cached victim's token, first bit of the signature flipped", ({ victimToken }) => {
    const [header, payload, signature] = partsOf(victimToken)
    return [header, payload, withFlippedBit(signature)].join('.')
  }),
  tokenAttack("a cached victim's token, unused bits set", ({ victimToken }) => {
    const [header, payload, signature] = partsOf(victimToken)
    return [header, payload, withUnusedBits(signature)].join('.')
  }),
  tokenAttack("a cached victim's signature under other claims", ({ victimToken, ...context }) => {
    const [header, payload] = partsOf(forge(context))
    return [header, payload, partsOf(victimToken)[2]].join('.')
  }),
  tokenAttack("a cached victim's token and a =", ({ victimToken }) => `${victimToken}=`),
]

const sizes = [
  tokenAttack('12 kB of valid token', context => forge(context, { claims: { pad: 'p'.repeat(9_000) } }), {
    isBeyondPeers: true,
  }),
  tokenAttack('64 kB of letters', () => 'A'.repeat(64 * 1024)),
  tokenAttack('64 kB of dots', () => '.'.repeat(64 * 1024)),
  tokenAttack('64 kB of signature', context => `${forge(context)}${'A'.repeat(64 * 1024)}`),
]

/** Attacks with the text of the token. */
export const attacksOnSpelling: readonly Attack[] = [...spellings, ...unusedBits, ...nearVictims, ...sizes]

/** Makes a token with other spellings of its parts, and the server's signature over them. */
function respelled(
  context: AttackContext,
  respellHeader: (header: string) => string,
  respellPayload = (payload: string) => payload,
): string {
  const header = encode(textWithUnusedBits({ alg: context.alg, typ: 'at+jwt', kid: context.kid }))
  const payload = encode(textWithUnusedBits(JSON.parse(claimsText()) as object))
  const signingInput = `${respellHeader(header)}.${respellPayload(payload)}`
  return `${signingInput}.${signAs(context.alg, context.key, signingInput).toString('base64url')}`
}

/** JSON whose last character in base64url has unused bits. */
function textWithUnusedBits(value: object): string {
  const text = JSON.stringify(value)
  return text.length % 3 === 0 ? `${text} ` : text
}

/** Spells the same bytes differently, by the 2 or 4 unused bits of the last character. */
function withUnusedBits(part: string): string {
  return part.slice(0, -1) + (BASE64URL[BASE64URL.indexOf(part.slice(-1)) + 1] ?? '')
}

function withFlippedBit(part: string): string {
  const bytes = Buffer.from(part, 'base64url')
  bytes[0]! ^= 1
  return bytes.toString('base64url')
}

/** Contains characters in which the two alphabets of base64 differ. */
function plainBase64(context: AttackContext): string {
  const token = forge(context, { payload: claimsText({ pad: '???>>>???>>>???>>>' }) })
  return token.replaceAll('-', '+').replaceAll('_', '/')
}

/** RFC 7515 7.2.2. */
function flattened(context: AttackContext): string {
  const [header, payload, signature] = partsOf(forge(context))
  return JSON.stringify({ payload, protected: header, signature })
}
