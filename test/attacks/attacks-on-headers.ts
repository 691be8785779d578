import { rowsOf, tokenAttack } from './attack.js'
import type { Attack, AttackDetails } from './attack.js'
import type { AttackContext } from './context.js'
import { attackerKeys, encode, forge, macWith, partsOf, signAs } from './forge.js'

const OURS: AttackDetails = { isBeyondPeers: true }
const attackersJwk = attackerKeys.RS.publicKey.export({ format: 'jwk' })

/** The key set that the trap serves. */
export const ATTACKERS_KEY_SET = { keys: [{ ...attackersJwk, kid: 'attacker', alg: 'RS256', use: 'sig' }] }

const keysInTheHeader = [
  tokenAttack('jwk in the header, of the attacker', context => byAttacker(context, { jwk: attackersJwk })),
  tokenAttack('x5c in the header, of the attacker', context =>
    byAttacker(context, {
      x5c: [attackerKeys.RS.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')],
    }),
  ),
  ...['jku', 'x5u'].map(member =>
    tokenAttack(`${member} in the header, to the attacker`, context =>
      byAttacker(context, { [member]: context.trapUrl }),
    ),
  ),
  ...['jku', 'x5u'].map(member =>
    tokenAttack(`kid as an address, and ${member}`, context =>
      byAttacker(context, { kid: context.trapUrl, [member]: context.trapUrl }),
    ),
  ),
]

/** Key names under which an object, a folder or a database might find something. */
const kidsThatMeanSomething = [
  '../../../../dev/null',
  '/dev/null',
  '__proto__',
  'constructor',
  'toString',
  "' OR '1'='1",
  '',
].map(kid =>
  tokenAttack(`kid ${JSON.stringify(kid)}, MAC by an empty key`, context =>
    forge(context, { header: { alg: 'HS256', kid }, sign: macWith('') }),
  ),
)

const kidsOfNoKey = rowsOf<unknown>([
  ['another', 'another'],
  ['an object', { $ne: null }],
  ['an array', ['server-key']],
  ['a number', 1],
  ['null', null],
  ['300 characters', 'k'.repeat(300)],
  ['64 kB', 'k'.repeat(64 * 1024)],
]).map(([title, kid]) =>
  tokenAttack(`kid ${title}, signed`, context => forge(context, { header: { kid } }), OURS),
)

/** RFC 7515 4.1.11: critical extensions that the guard does not understand. */
const criticalExtensions = rowsOf<Readonly<Record<string, unknown>>>([
  ['of an unknown extension', { crit: ['unknown'], unknown: true }],
  ['of an unknown extension that is absent', { crit: ['unknown'] }],
  ['that is empty', { crit: [] }],
  ['that is a text', { crit: 'exp', exp: 1 }],
  ['that is null', { crit: null }],
  ['that is an object', { crit: { exp: true } }],
  ['of a registered name', { crit: ['alg'] }],
  ['of b64, true', { crit: ['b64'], b64: true }],
  ['of b64, false', { crit: ['b64'], b64: false }],
]).map(([title, header]) => tokenAttack(`crit ${title}`, context => forge(context, { header })))

const unencodedPayloads = [
  tokenAttack('b64 false without crit', context => forge(context, { header: { b64: false } })),
  tokenAttack('b64 false, payload as it is', unencoded, { expected: 400 }),
]

const types = [
  ...['at+jwt', 'application/at+jwt', 'AT+JWT'].map(typ =>
    tokenAttack(`typ ${typ} is an access token's`, context => forge(context, { header: { typ } }), {
      expected: 200,
    }),
  ),
  ...[
    'refresh+jwt',
    'logout+jwt',
    'dpop+jwt',
    'secevent+jwt',
    'JWT',
    'at+jwt ',
    '',
    undefined,
    null,
    1,
    ['at+jwt'],
  ].map(typ =>
    tokenAttack(
      `typ ${typ === undefined ? 'missing' : JSON.stringify(typ)}`,
      context => forge(context, { header: { typ } }),
      OURS,
    ),
  ),
]

const headersOfNoKind = rowsOf<string | Buffer>([
  ['an array', '[]'],
  ['null', 'null'],
  ['a text', '"HS256"'],
  ['no JSON', '{"alg":'],
  ['empty', ''],
  ['in UTF-16', Buffer.from('{"alg":"HS256"}', 'utf16le')],
]).map(([title, headerText]) => tokenAttack(`header ${title}`, context => forge(context, { headerText })))

const texts = [
  tokenAttack('alg twice, none last', context =>
    forge(context, { headerText: `{"alg":"${context.alg}","typ":"at+jwt","alg":"none"}` }),
  ),
  tokenAttack('alg with quotes and a line break', context =>
    forge(context, { header: { alg: 'INJECTED"\r\nX-Injected: "yes' } }),
  ),
  tokenAttack('alg with a backslash', context => forge(context, { header: { alg: 'INJECTED\\"' } })),
  tokenAttack(
    'kid with quotes and an emoji',
    context => forge(context, { header: { kid: 'INJECTED"\u{1f511}\r\n' } }),
    OURS,
  ),
  tokenAttack(
    'typ with quotes and a line break',
    context => forge(context, { header: { typ: 'INJECTED"\r\nX-Injected: "yes' } }),
    OURS,
  ),
]

/** Attacks with members of the token's header, which an attacker can write. */
export const attacksOnHeaders: readonly Attack[] = [
  ...keysInTheHeader,
  ...kidsThatMeanSomething,
  ...kidsOfNoKey,
  ...criticalExtensions,
  ...unencodedPayloads,
  ...types,
  ...headersOfNoKind,
  ...texts,
]

/** Makes a token that the attacker signed and that names an address of the attacker's key. */
function byAttacker(context: AttackContext, hint: Readonly<Record<string, unknown>>): string {
  return forge(context, {
    header: { alg: 'RS256', kid: 'attacker', ...hint },
    sign: input => signAs('RS256', attackerKeys.RS.privateKey, input),
  })
}

/** RFC 7797 section 3: the payload is sent and signed without base64. */
function unencoded(context: AttackContext): string {
  const header = encode(JSON.stringify({ alg: context.alg, kid: context.kid, crit: ['b64'], b64: false }))
  const payload = Buffer.from(partsOf(forge(context))[1], 'base64url').toString()
  const signature = signAs(context.alg, context.key, `${header}.${payload}`)
  return `${header}.${payload}.${signature.toString('base64url')}`
}
