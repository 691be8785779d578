import { expect, it } from 'vitest'
import { meetsPreconditions, toEntityTag } from '../../lib/routes/entity-tag.js'

const TAG = toEntityTag('{"language":"en"}')
const OTHER_FORMAT = toEntityTag('{"language":"en"} in another format')
const meets = (headers: Record<string, string>) => meetsPreconditions({ headers }, [OTHER_FORMAT, TAG])

it('a tag is strong and quoted, and differs for different texts', () => {
  expect(TAG).toMatch(/^"[\w-]{43}"$/)
  expect(toEntityTag('{"language":"de"}')).not.toBe(TAG)
})

it.each<[string, boolean]>([
  [TAG, true],
  ['*', true],
  [`"other", ${TAG}`, true],
  [`${TAG},"other"`, true],
  [`W/${TAG}`, false],
  ['"other"', false],
  [TAG.slice(1, -1), false],
  ['', false],
  ['"a*"', false],
])('If-Match: %s is met: %j', (value, expected) => {
  expect(meets({ 'if-match': value })).toBe(expected)
  expect(meetsPreconditions({ headers: { 'if-match': value } }, [])).toBe(false)
})

it.each<[string, boolean]>([
  [TAG, false],
  [`W/${TAG}`, false],
  ['*', false],
  ['"other"', true],
])('If-None-Match: %s is met: %j', (value, expected) => {
  expect(meets({ 'if-none-match': value })).toBe(expected)
  expect(meetsPreconditions({ headers: { 'if-none-match': value } }, [])).toBe(true)
})

it('a request without a condition passes', () => {
  expect(meets({})).toBe(true)
})
