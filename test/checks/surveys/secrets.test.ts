import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { surveySecrets } from '../../../lib/checks/surveys/secrets.js'

/** From the documentation of many libraries, made longer as people do. */
const KNOWN = 'a-string-secret-at-least-256-bits-long'
const REPEATED = 'tiger'.repeat(9)

describe('a variable with a secret', () => {
  it.each([
    ['is not set', undefined, 'secret_not_set', 'is not set, or is empty'],
    ['is empty', '', 'secret_not_set', 'is not set, or is empty'],
    ['is short', randomBytes(16).toString('hex').slice(1), 'secret_weak', 'has fewer than 32 bytes'],
    ['is known', KNOWN, 'secret_weak', 'is known from public code or documentation'],
    ['repeats', REPEATED, 'secret_weak', 'repeats the same'],
    [
      'has few characters',
      'abbaacabcabbabcacbcabcacbbacbcaabcbaccab',
      'secret_weak',
      'has few different characters',
    ],
  ])('that %s is a problem, named by the variable', (_what, secret, code, words) => {
    const { findings, facts, says } = surveySecrets(['APP_SECRET'], { APP_SECRET: secret })
    expect(findings).toMatchObject([{ code }])
    expect(findings[0]?.message).toContain('APP_SECRET')
    expect(findings[0]?.message).toContain(words)
    const text = JSON.stringify([findings, facts, says])
    if (secret) {
      expect(text).not.toContain(secret)
      expect(text).not.toMatch(new RegExp(String.raw`\b${secret.length}\b`))
    }
  })

  it('that is random is no finding', () => {
    const secret = randomBytes(32).toString('base64url')
    expect(surveySecrets(['A', 'B'], { A: secret, B: `${secret}2` })).toMatchObject({
      says: 'A: strong, B: strong',
      findings: [],
      facts: { secrets: { A: 'strong', B: 'strong' } },
    })
  })
})
