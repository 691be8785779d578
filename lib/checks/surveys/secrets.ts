import { ALGORITHMS } from '../../access-tokens/algorithms.js'
import { FAULTS_IN_WORDS, findSecretFault } from '../../access-tokens/secret-strength.js'
import type { Finding, SurveyResult } from './survey.js'

const MIN_BYTES = ALGORITHMS.HS256.minSize
const MAKE_ONE = `node -p "crypto.randomBytes(${MIN_BYTES}).toString('base64url')"`

/**
 * Checks the secrets in variables of the environment. Reports name the variables, and never a value or its length, which
 * would help to guess it.
 */
export function surveySecrets(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): SurveyResult {
  const faults = names.map(name => ({ name, fault: explainFault(env[name]) }))
  const weak = faults.filter(({ fault }) => fault !== undefined)
  const findings = weak.map(({ name, fault = '' }): Finding => {
    if (fault === NOT_SET) {
      const message =
        `The variable ${name} is not set, or is empty, so an app with this secret does not start. Set it in the ` +
        'environment of this command, as it is in that of the app.'
      return { code: 'secret_not_set', message }
    }
    const message = `The secret in ${name} ${fault} Set a random one, made with: ${MAKE_ONE}`
    return { code: 'secret_weak', message }
  })
  const secrets = faults.map(({ name, fault }) => [name, stateOf(fault)])
  return {
    says: secrets.map(([name, state]) => `${name}: ${state}`).join(', '),
    findings,
    facts: { secrets: Object.fromEntries(secrets) as Record<string, string> },
  }
}

const NOT_SET = 'is not set.'

function explainFault(secret: string | undefined): string | undefined {
  if (secret === undefined || secret === '') return NOT_SET
  const fault = findSecretFault(Buffer.from(secret), MIN_BYTES)
  if (fault === undefined) return undefined
  if (fault === 'short') return `has fewer than ${MIN_BYTES} bytes, which HS256 needs (RFC 7518 3.2).`
  if (fault === 'few_bytes') return 'has few different characters, so it is easy to guess.'
  return FAULTS_IN_WORDS[fault]
}

function stateOf(fault: string | undefined): 'strong' | 'not set' | 'weak' {
  if (fault === undefined) return 'strong'
  return fault === NOT_SET ? 'not set' : 'weak'
}
