import type { AttackRequest } from './attack.js'
import type { AttackContext } from './context.js'
import type { RawAnswer } from './raw-request.js'

/** RFC 9110 11.6.1, RFC 6750 3: one challenge; each attribute once; no quote, backslash or control in a value. */
const CHALLENGE =
  /^Bearer(?: realm="[\x20\x21\x23-\x5b\x5d-\x7e]*")?(?:(?:,| ) ?error="(?:invalid_request|invalid_token)", ?error_description="[\x20\x21\x23-\x5b\x5d-\x7e]*")?$/
/** Texts of the server's inside, and texts that attackers send. A refusal must not contain them. */
const LEAKS = ['mongodb://', 'ECONN', 'node_modules', '    at ', 'INJECTED', 'X-Injected']

/** Whether a 401 has a Bearer challenge that can be parsed (RFC 6750 section 3). */
export function hasChallenge({ headers }: RawAnswer): boolean {
  return CHALLENGE.test(headers['www-authenticate'] ?? '')
}

/** Lists the faults of a refusal. */
export function faultsOf(answer: RawAnswer, request: AttackRequest, context: AttackContext): string[] {
  const leaks = [...LEAKS, ...secretsOf(context), ...piecesOf(request)].filter(text =>
    answer.text.includes(text),
  )
  const faults = leaks.map(text => `the answer has "${text}" in it`)
  if (answer.status === 401 && !hasChallenge(answer)) faults.push('the 401 has no Bearer challenge')
  return faults
}

function secretsOf({ secret, victimToken }: AttackContext): string[] {
  return [victimToken, ...(secret === undefined ? [] : [secret])]
}

/** Finds the long words of a request, above all the parts of tokens. */
function piecesOf({ path = '', headers, body = '' }: AttackRequest): string[] {
  const values = headers.map(line => line.slice(line.indexOf(':') + 1))
  return [path, body, ...values].flatMap(text => text.match(/[\w-]{16,}/g) ?? [])
}
