import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, inject, it } from 'vitest'

const SCRIPT = fileURLToPath(new URL('replaced-globals/load.ts', import.meta.url))

it.each([
  ['zone.js', 'zone'],
  ['bluebird as Promise', 'bluebird'],
  ['a subclass as Promise', 'subclass'],
  ["another realm's Uint8Array", 'uint8array'],
  ["another realm's Date, RegExp, Error and Object", 'realm'],
])('a document is loaded, frozen and written if a global is replaced: %s', async (_what, replacement) => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', SCRIPT, replacement, inject('mongoUri'), `test_${randomBytes(6).toString('hex')}`],
    { timeout: 19_000 },
  )
  expect(JSON.parse(stdout)).toEqual({
    language: 'en',
    date: '1970-01-01T00:00:00.000Z',
    bytes: 'YWJj',
    isFrozen: true,
    logins: 1,
  })
})
