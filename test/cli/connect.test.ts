import { createRequire } from 'node:module'
import { expect, it } from 'vitest'
import { describeSafely } from '../../lib/cli/doctor/connect.js'

const PASSWORD = 'hunter2-not-a-word'

it('drivers before 7 quote an address that they cannot read, and their text is then not shown', () => {
  const uri = `mongodb://user:${PASSWORD}@x@host:port/`
  const { MongoClient } = createRequire(import.meta.url)('mongodb6') as typeof import('mongodb')
  let thrown: unknown
  try {
    new MongoClient(uri)
  } catch (error) {
    thrown = error
  }
  expect(String(thrown)).toContain(PASSWORD)
  expect(describeSafely(thrown, uri)).toBe('TypeError, whose text is not shown because it quotes the address')
})

it.each([
  [`mongodb://user:${PASSWORD}@host/`, `the password ${PASSWORD} is wrong`],
  ['mongodb://user:hunter%402@host/', 'the password hunter@2 is wrong'],
  [`mongodb://host/?tlsCertificateKeyFilePassword=${PASSWORD}`, `${PASSWORD} opens no key`],
  [`mongodb://host/?authMechanismProperties=AWS_SESSION_TOKEN:${PASSWORD}`, `AWS_SESSION_TOKEN:${PASSWORD}`],
  ['mongodb://user:a@host/', 'a short password must not be told by the words that miss it'],
])('with the address %s an error that says "%s" is not shown', (uri, message) => {
  expect(describeSafely(new Error(message), uri)).toBe(
    'Error, whose text is not shown because it quotes the address',
  )
})

it('an error without a part of the address is shown', () => {
  const uri = `mongodb://user:${PASSWORD}@host/?appName=a`
  expect(describeSafely(new Error('connect ECONNREFUSED.'), uri)).toBe('Error: connect ECONNREFUSED')
})
