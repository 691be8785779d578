/**
 * Puts the package into public apps and runs the apps' own tests: `npm run test:apps -- FOLDER`. FOLDER has a clone of each
 * app, named as in `apps.ts`; a missing clone is said and skipped. Names after FOLDER choose apps. `--runs=1` is quicker, and
 * `--package=FILE` tries a tarball instead of packing this folder.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { resolveMongoUri } from '../../examples/support/start-mongod.js'
import { APPS } from './apps.js'
import { startMailServer } from './mail-server.js'
import { must } from './programs.js'
import { tryApp } from './try-app.js'
import type { Row } from './try-app.js'
import { Skipped } from './working-copy.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '3' },
    keep: { type: 'boolean', default: false },
    package: { type: 'string' },
  },
})
const [clones, ...names] = positionals
if (clones === undefined) throw new Error('Give the folder of clones: npm run test:apps -- FOLDER [APP…]')
const unknown = names.find(name => !APPS.some(app => app.name === name))
if (unknown !== undefined) {
  throw new Error(`There is no app "${unknown}". The apps are ${APPS.map(({ name }) => name).join(', ')}.`)
}

const rows: Row[] = []
const into = await mkdtemp(join(tmpdir(), 'apps-'))
const mongo = await resolveMongoUri()
const mail = await startMailServer()
try {
  const tarball = values.package === undefined ? await pack() : resolve(values.package)
  for (const app of APPS.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const surroundings = {
      clones: resolve(clones),
      into,
      tarball,
      mongoUri: mongo.uri,
      smtpPort: mail.port,
      runs: Number(values.runs),
    }
    await tryApp(app, surroundings, report).catch((error: unknown) => {
      const skipped = error instanceof Skipped
      report({ app: app.name, way: skipped ? 'skipped' : 'failed', passed: skipped, result: String(error) })
    })
  }
} finally {
  mail.close()
  await mongo.stop()
  if (values.keep) console.log(`The copies are in ${into}.`)
  else await rm(into, { recursive: true, force: true })
}
console.log()
for (const row of rows) console.log(lineOf(row))
process.exitCode = rows.some(({ way }) => way !== 'skipped') && rows.every(({ passed }) => passed) ? 0 : 1

function report(row: Row): void {
  rows.push(row)
  console.log(`${lineOf(row)}${row.passed ? '' : `\n${row.result}\n`}`)
}

function lineOf({ app, way, passed, result }: Row): string {
  const [first = '', ...more] = result.split('\n')
  return `${passed ? 'ok    ' : 'FAILED'} ${app.padEnd(48)} ${way.padEnd(16)} ${[first, ...(passed ? more : [])].join('\n')}`
}

/** `npm pack` builds first. */
async function pack(): Promise<string> {
  const printed = await must(['npm', 'pack', '--silent', '--pack-destination', into], { cwd: ROOT })
  return join(into, printed.trim().split('\n').at(-1) ?? '')
}
