import { AUDIENCE, ISSUER } from '../support/user-data.js'
import { rowsOf, tokenAttack } from './attack.js'
import type { Attack, AttackDetails } from './attack.js'
import { claimsText, claimsTextWith, forge, nowSeconds } from './forge.js'

const OURS: AttackDetails = { isBeyondPeers: true }
const HOUR = 3_600

const times = [
  ...claims('exp', [
    ['missing', undefined],
    ['in the past', nowSeconds() - HOUR],
  ]),
  ...claims('exp', [
    ['a text', '9999999999'],
    ['true', true],
    ['negative', -1],
    ['an array', [9_999_999_999]],
    ['an object', {}],
  ]),
  ...claims('exp', [
    ['null', null],
    ['0', 0],
    ['empty', ''],
  ]),
  tokenAttack('exp 1e400', context => forge(context, { payload: claimsTextWith('exp', '1e400') })),
  tokenAttack('exp -1e400', context => forge(context, { payload: claimsTextWith('exp', '-1e400') })),
  tokenAttack(
    'exp may have a fraction',
    context => forge(context, { claims: { exp: nowSeconds() + 60.5 } }),
    {
      expected: 200,
    },
  ),
  ...claims('nbf', [['in the future', nowSeconds() + HOUR]]),
  ...claims('nbf', [
    ['a text', '0'],
    ['null', null],
    ['true', true],
    ['an array', [0]],
  ]),
  ...claims(
    'iat',
    [
      ['a text', '0'],
      ['null', null],
    ],
    OURS,
  ),
]

const payloads = rowsOf<string>([
  ['a text', '"alice"'],
  ['an array', '[1]'],
  ['an array of claims', `[${claimsText()}]`],
  ['null', 'null'],
  ['a number', '1'],
  ['true', 'true'],
  ['empty', ''],
  ['cut short', '{"sub":"alice"'],
]).map(([title, payload]) => tokenAttack(`payload ${title}`, context => forge(context, { payload })))

const encodings = rowsOf<Buffer>([
  ['in latin-1', Buffer.from(claimsText({ name: 'Zo\u00eb' }), 'latin1')],
  ['in UTF-16', Buffer.from(`\ufeff${claimsText()}`, 'utf16le')],
  ['after a byte order mark', Buffer.from(`\ufeff${claimsText()}`)],
  ['with an overlong slash', withBytes('c0af')],
  ['with half a surrogate pair', withBytes('eda080')],
  ['with a cut character', withBytes('e282')],
]).map(([title, payload]) => tokenAttack(`payload ${title}`, context => forge(context, { payload })))

const subjects = [
  ...claims('sub', [
    ['missing', undefined],
    ['empty', ''],
    ['null', null],
    ['a number', 1],
    ['true', true],
    ['an array', ['alice']],
    ['an object', { id: 'alice' }],
    ['an operator', { $ne: null }],
    ['an operator that finds alice', { $regex: '^a' }],
    ['64 kB', 's'.repeat(64 * 1024)],
  ]),
  ...claims('sub', [['256 characters', 's'.repeat(256)]], OURS),
  ...claims('sub', [
    ['that says it is an ObjectId', { _bsontype: 'ObjectId' }],
    ['that says it is code', { _bsontype: 'Code', code: 'sleep(1000)' }],
  ]),
]

const audiences = [
  ...claims('aud', [
    ['missing', undefined],
    ['another', 'https://other.example.com'],
    ['a part of ours', AUDIENCE.slice(0, -1)],
    ['ours and more', `${AUDIENCE}/`],
    ['in another case', AUDIENCE.toUpperCase()],
    ['an object', { 0: AUDIENCE, length: 1 }],
    ['with ours as a name', { [AUDIENCE]: true }],
    ['a number', 1],
    ['null', null],
    ['empty', ''],
    ['an empty array', []],
    ['an array of others', ['https://other.example.com']],
    ['an array in an array', [[AUDIENCE]]],
  ]),
  ...claims('aud', [['an array with ours is for us', ['https://other.example.com', AUDIENCE]]], {
    expected: 200,
  }),
]

const issuers = [
  ...claims('iss', [
    ['an array with ours', ['https://evil.example.com', ISSUER]],
    ['an array of ours', [ISSUER]],
    ['an object', { [ISSUER]: true }],
  ]),
  ...claims('iss', [
    ['with a slash at its end', `${ISSUER}/`],
    ['in another case', ISSUER.toUpperCase()],
    ['with a look-alike letter', ISSUER.replace('e', '\u0435')],
    ['with a combining mark', `${ISSUER}\u0301`],
    ['with a NUL', `${ISSUER}\0`],
  ]),
  ...claims('iss', [
    ['missing', undefined],
    ['another', 'https://evil.example.com'],
    ['null', null],
  ]),
]

const bindings = [
  ...claims(
    'cnf',
    [
      ['of a DPoP key', { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' }],
      ['of a certificate', { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' }],
      ['null', null],
    ],
    OURS,
  ),
]

const profile = [
  ...['client_id', 'iat', 'jti'].flatMap(claim => claims(claim, [['missing', undefined]], OURS)),
  ...claims('client_id', [['an object', {}]], OURS),
  ...claims('jti', [['an array', ['1']]], OURS),
  tokenAttack(
    "a client's own token, of a client named as a user",
    context => forge(context, { claims: { sub: 'alice', client_id: 'alice' } }),
    OURS,
  ),
]

/** Attacks with correctly signed claims that are not valid. */
export const attacksOnClaims: readonly Attack[] = [
  ...times,
  ...payloads,
  ...encodings,
  ...subjects,
  ...audiences,
  ...issuers,
  ...bindings,
  ...profile,
]

function claims(
  claim: string,
  values: readonly (readonly [title: string, value: unknown])[],
  details?: AttackDetails,
): Attack[] {
  return values.map(([title, value]) =>
    tokenAttack(`${claim} ${title}`, context => forge(context, { claims: { [claim]: value } }), details),
  )
}

/** Makes claims with a text that is not UTF-8. */
function withBytes(hex: string): Buffer {
  const [before = '', after = ''] = claimsText({ name: '@@' }).split('@@')
  return Buffer.concat([Buffer.from(before), Buffer.from(hex, 'hex'), Buffer.from(after)])
}
