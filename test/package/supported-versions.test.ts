/** Compares what the pages say about versions with package.json, the lists of the tests and the matrix. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { LINES } from '../nodes/lines.js'

const { engines, peerDependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
  'engines' | 'peerDependencies' | 'devDependencies',
  Record<string, string>
>

it('the guide names the versions that package.json allows and the tests run', () => {
  expect(engines['node']).toBe('>=20.19.0')
  expect(row('Node')).toEqual(['20.19 and later', spoken(LINES.map(({ major }) => `${major}`))])
  expect(peerDependencies).toEqual({
    express: '^4.18.0 || ^5.0.0',
    mongodb: '>=5.9.0 <8',
    mongoose: '>=7.8.0 <10',
    passport: '*',
  })
  expect(row('Express')[0]).toBe('4.18 and 5')
  expect(row('mongodb')).toEqual(['5.9 to 7', '5.9, 6.13 and the newest 7'])
  expect(row('mongoose')[0]).toBe('7.8, 8 and 9')
  expect(devDependencies).toMatchObject({
    express4: 'npm:express@4.18.0',
    mongodb: expect.stringMatching(/^\^7\./) as string,
    mongodb5: expect.stringMatching(/^npm:mongodb@\^5\.9\./) as string,
    mongodb6: 'npm:mongodb@6.13.0',
    passport: expect.stringMatching(/^\^0\.7\./) as string,
    passport4: expect.stringMatching(/^npm:passport@0\.4\./) as string,
  })
})

it('the guide names the servers of the matrix, and the one that is fetched by default', () => {
  const { jobs } = parse(read('.github/workflows/full.yml')) as {
    jobs: { servers: { strategy: { matrix: { server: string[] } } } }
  }
  const servers = jobs.servers.strategy.matrix.server.map(version => version.split('.', 2).join('.'))
  expect(row('MongoDB server')[0]).toBe(`${servers[0]} and later`)
  expect(row('MongoDB server')[1]).toMatch(new RegExp(`^${servers.join(', ')} and 8;`))
})

it('the guide names the compilers that read the declarations', () => {
  const [, compilers] = /const COMPILERS = \[(.*)\] as const/.exec(read('test/package/consumers.test.ts'))!
  const names = ['4.7', ...compilers!.replaceAll("'", '').split(', ')]
  expect(row('TypeScript')).toEqual(['4.7 and later', spoken(names)])
})

/** The cells of a row of the guide's first table. */
function row(name: string): string[] {
  const line = read('docs/versions-and-support.md')
    .split('\n')
    .find(one => one.startsWith(`| ${name} `))
  return line!
    .split('|')
    .slice(2, -1)
    .map(cell => cell.trim())
}

function spoken(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
}
