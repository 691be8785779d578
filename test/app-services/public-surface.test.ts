import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const LIB = fileURLToPath(new URL('../../lib/', import.meta.url))
const ROOM = join(LIB, 'app-services')

const files = readdirSync(ROOM, { recursive: true, encoding: 'utf8' })
  .filter(name => /\.m?ts$/.test(name))
  .map(name => join(ROOM, name))

test('the entry point imports nothing but the public exports of the package', () => {
  const others = files.flatMap(file =>
    importsOf(file)
      .filter(name => name.startsWith('.'))
      .map(name => resolve(dirname(file), name))
      .filter(path => !path.startsWith(`${ROOM}/`) && path !== join(LIB, 'index.js'))
      .map(path => `${relative(LIB, file)} imports ${relative(LIB, path)}`),
  )
  expect(files.length).toBeGreaterThan(20)
  expect(others).toEqual([])
})

test('no other folder imports from the entry point', () => {
  const others = readdirSync(LIB, { recursive: true, encoding: 'utf8' })
    .filter(name => /\.m?ts$/.test(name) && !name.startsWith('app-services'))
    .filter(name => importsOf(join(LIB, name)).some(path => path.includes('app-services')))
  expect(others).toEqual([])
})

test('only the checks of tokens and sessions ask a client for a refresh, after which it repeats the request', () => {
  const asking = files.filter(file => readFileSync(file, 'utf8').includes('invalidSession('))
  expect(asking.map(file => relative(ROOM, file)).sort()).toEqual([
    'router/callers.ts',
    'router/sessions.ts',
    'wire/loops.ts',
  ])
})

function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/ from '([^']+)'/g)].map(([, name]) => name ?? '')
}
