import { expect, it } from 'vitest'
import { failedPrecondition, toEntityTag } from '../../lib/routes/entity-tag.js'

const TAG = toEntityTag('{"language":"en"}')
const OTHER_FORMAT = toEntityTag('{"language":"en"} in another format')
const BOTH_FORMATS = [OTHER_FORMAT, TAG]
const meets = (headers: Record<string, string>, tags = BOTH_FORMATS) =>
  failedPrecondition({ method: 'PUT', headers }, tags) === undefined

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
  [`w/${TAG}`, false],
  [`x${TAG}`, false],
  [`${TAG}x`, false],
  [`"other"${TAG}`, false],
  [`"o,t", ,\t${TAG} `, true],
  ['"other"', false],
  [TAG.slice(1, -1), false],
  ['', false],
  ['"a*"', false],
])('If-Match: %s is met: %j', (value, expected) => {
  expect(meets({ 'if-match': value })).toBe(expected)
  expect(meets({ 'if-match': value }, [])).toBe(false)
})

it.each<[string, boolean]>([
  [TAG, false],
  [`W/${TAG}`, false],
  [`"other", W/${TAG}`, false],
  [`w/${TAG}`, true],
  ['*', false],
  ['"other"', true],
])('If-None-Match: %s is met: %j', (value, expected) => {
  expect(meets({ 'if-none-match': value })).toBe(expected)
  expect(meets({ 'if-none-match': value }, [])).toBe(true)
})

it('a request without a condition passes', () => {
  expect(meets({})).toBe(true)
})

it('RFC 9110 13.2.2: a reader who has the data gets 304, anybody else 412, and If-Match comes first', () => {
  const has = { 'if-none-match': TAG }
  const other = { 'if-match': '"other"' }
  for (const method of ['GET', 'HEAD']) {
    expect(failedPrecondition({ method, headers: has }, [TAG])).toBe(304)
    expect(failedPrecondition({ method, headers: { ...has, ...other } }, [TAG])).toBe(412)
  }
  for (const method of ['PUT', 'PATCH']) expect(failedPrecondition({ method, headers: has }, [TAG])).toBe(412)
})
