import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { fillHealthy } from './databases.js'
import { runCli, runDoctor } from './run-cli.js'

const guide = readFileSync(new URL('../../docs/doctor.md', import.meta.url), 'utf8')
const database = useDatabase()

it('the guide names only options that the command has', async () => {
  const { output } = await runCli(['doctor', '--help'])
  const named = [...new Set(guide.match(/--[a-z][a-z-]+/g))]
  expect(named.length).toBeGreaterThan(10)
  // The last is an option of Node.
  const others = ['--help', '--env-file']
  expect(named.filter(option => !others.includes(option) && !output.includes(`  ${option} `))).toEqual([])
})

it('the guide names each fact of the JSON report', async () => {
  await fillHealthy(database.db)
  const args = [
    '--database',
    database.db.databaseName,
    '--collection',
    'custom_user_data',
    '--users',
    'users',
  ]
  const env = { SECRET: randomBytes(32).toString('hex') }
  const { facts } = await runDoctor(database.uri, [...args, '--secret-env', 'SECRET'], { env })
  const [, list = ''] = /what was measured: (.*?)\. A fact/s.exec(guide) ?? []
  const named = [...list.matchAll(/`(\w+)`/g)].map(([, name]) => name)
  expect(named.sort()).toEqual(Object.keys(facts).sort())
})
