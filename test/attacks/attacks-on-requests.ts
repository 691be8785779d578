import { attack, withToken } from './attack.js'
import type { Attack, AttackDetails, AttackRequest } from './attack.js'
import type { AttackContext } from './context.js'
import { forge } from './forge.js'

const MALFORMED: AttackDetails = { expected: 400 }
const ALLOWED: AttackDetails = { expected: 200 }
const ANYWHERE = '/anywhere'
const FORM = 'Content-Type: application/x-www-form-urlencoded'

const headers = [
  attack('no token', () => ({ headers: [] })),
  header('nothing in the header', () => ''),
  header('the scheme in small letters is fine', token => `bearer ${token}`, ALLOWED),
  header('the scheme in capitals is fine', token => `BEARER ${token}`, ALLOWED),
  header('two spaces are fine', token => `Bearer  ${token}`, ALLOWED),
  header('the scheme alone', () => 'Bearer', MALFORMED),
  header('a tab for a space', token => `Bearer\t${token}`, MALFORMED),
  header('no space', token => `Bearer${token}`),
  header('an equals sign for a space', token => `Bearer=${token}`, MALFORMED),
  header('a text after the token', token => `Bearer ${token} junk`, MALFORMED),
  header('a parameter after the token', token => `Bearer ${token}, realm="x"`, MALFORMED),
  header('a list of two', token => `Bearer ${token}, Bearer ${token}`, MALFORMED),
  header('a list of two tokens', token => `Bearer ${token},${token}`, MALFORMED),
  header('quotes around the token', token => `Bearer "${token}"`, MALFORMED),
  header('the scheme twice', token => `Bearer Bearer ${token}`, MALFORMED),
  header('a no-break space', token => `Bearer\u00a0${token}`, MALFORMED),
  header('no scheme', token => token),
  header('Basic', () => `Basic ${Buffer.from('alice:password').toString('base64')}`),
  header('Basic, with the token', token => `Basic ${token}`),
  header('another scheme, with the token', token => `JWT ${token}`),
]

/** Node silently keeps the first of two Authorization headers. */
const twoHeaders = (['fresh', 'cached'] as const).flatMap(age => [
  two(age, 'equal', token => [`Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`]),
  two(age, 'valid, then junk', token => [`Authorization: Bearer ${token}`, 'Authorization: Bearer junk']),
  two(age, 'junk, then valid', token => ['Authorization: Bearer junk', `Authorization: Bearer ${token}`]),
  two(age, 'valid, then Basic', token => [`Authorization: Bearer ${token}`, 'Authorization: Basic YTph']),
  two(age, 'Basic, then valid', token => ['Authorization: Basic YTph', `Authorization: Bearer ${token}`]),
  two(age, 'valid, then empty', token => [`Authorization: Bearer ${token}`, 'Authorization:']),
  two(age, 'in two cases', token => [`authorization: Bearer ${token}`, `AUTHORIZATION: Bearer ${token}`]),
])

const otherPlaces = [
  attack('in the query, where no header is', context => inQuery('/', forge(context)), {
    isBeyondPeers: true,
  }),
  attack('in a form, where no header is', context => inForm('/', forge(context)), {
    isBeyondPeers: true,
  }),
  attack(
    'in the query, of an app that reads it there',
    context => inQuery(ANYWHERE, forge(context)),
    ALLOWED,
  ),
  attack(
    'in the header and in the query',
    context => both(inQuery(ANYWHERE, forge(context)), context),
    MALFORMED,
  ),
  attack(
    'in the header, with junk in the query',
    context => both(inQuery(ANYWHERE, 'junk'), context),
    MALFORMED,
  ),
  attack(
    'twice in the query',
    context => {
      const token = forge(context)
      return { path: `${ANYWHERE}?access_token=${token}&access_token=${token}`, headers: [] }
    },
    MALFORMED,
  ),
  attack('as an object in the query', context => ({
    path: `${ANYWHERE}?access_token[x]=${forge(context)}`,
    headers: [],
  })),
]

/** Attacks with the request around the token. */
export const attacksOnRequests: readonly Attack[] = [...headers, ...twoHeaders, ...otherPlaces]

function header(title: string, toValue: (token: string) => string, details?: AttackDetails): Attack {
  return attack(title, context => ({ headers: [`Authorization: ${toValue(forge(context))}`] }), details)
}

function two(
  age: 'fresh' | 'cached',
  title: string,
  toHeaders: (token: string) => readonly string[],
): Attack {
  const toToken = (context: AttackContext): string => (age === 'fresh' ? forge(context) : context.victimToken)
  const sentence = `two Authorization headers, ${title}, of a ${age} token`
  return attack(sentence, context => ({ headers: toHeaders(toToken(context)) }), MALFORMED)
}

function inQuery(path: string, token: string): AttackRequest {
  return { path: `${path}?access_token=${token}`, headers: [] }
}

function inForm(path: string, token: string): AttackRequest {
  return { method: 'POST', path, headers: [FORM], body: `access_token=${token}` }
}

function both(request: AttackRequest, context: AttackContext): AttackRequest {
  return { ...request, headers: [...request.headers, ...withToken(forge(context)).headers] }
}
