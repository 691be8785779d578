import { randomBytes } from 'node:crypto'
import { expect, it, onTestFinished } from 'vitest'
import { useDatabase } from '../support/database.js'
import { runCli, runDoctor } from './run-cli.js'

const database = useDatabase()
const COLLECTION = ['--collection', 'custom_user_data']

/** Creates a database, and gives its name, which no other test has nearly. */
async function createNamed(prefix: string): Promise<string> {
  const name = `${prefix}${randomBytes(8).toString('hex').replaceAll(/\d/g, 'x')}`
  const db = database.client.db(name)
  onTestFinished(async () => {
    await db.dropDatabase()
  })
  await db.createCollection('custom_user_data')
  return name
}

/** The address of the server with this database. */
function addressOf(name: string): string {
  const url = new URL(database.uri)
  url.pathname = `/${name}`
  return url.href
}

const statusOf = ({ checks }: Awaited<ReturnType<typeof runDoctor>>) =>
  checks.find(({ name }) => name === 'database')?.status

it("an address without a database is a warning that names the driver's default", async () => {
  const run = await runDoctor(addressOf(''), COLLECTION)
  expect(run.findings).toContainEqual(
    expect.objectContaining({
      code: 'database_not_named',
      severity: 'warning',
      message: expect.stringContaining(`the driver's default "test" is used`),
    }),
  )
  expect(statusOf(run)).toBe('warning')
  expect(run.facts['database']).toMatchObject({ name: 'test', isNamed: false })
})

it.each([
  ['the address', (name: string) => runDoctor(addressOf(name), COLLECTION)],
  ['--database', (name: string) => runDoctor(addressOf(''), [...COLLECTION, '--database', name])],
])('a database that %s names and that exists is no finding', async (_place, run) => {
  const name = await createNamed('a_shop')
  const { codes, facts } = await run(name)
  expect(codes).toEqual(['user_id_index_missing'])
  expect(facts['database']).toEqual({ name, isNamed: true, exists: true })
})

it.each([
  ['in other letter case', 'A_SHOP'],
  ['with a mistyped letter', 'a_shxp'],
])('a name %s is a problem that names the database, and nothing else is looked for', async (_what, typed) => {
  const name = await createNamed('a_shop')
  const run = await runDoctor(addressOf(name.replace('a_shop', typed)), COLLECTION)
  expect(run).toMatchObject({ code: 1, codes: ['database_missing'] })
  expect(run.findings.find(({ code }) => code === 'database_missing')?.message).toContain(
    `Did you mean "${name}"?`,
  )
  expect(run.checks.map(check => check.name)).not.toContain('documents')
})

it.each([
  ['more at the end, such as an environment', (name: string) => `${name}_dev`],
  ['another number', (name: string) => `${name}_2`],
  ['nothing in common', () => 'a_new_app_before_its_first_deploy_of_all_its_deploys'],
])(
  'a database that does not exist, whose name has %s, is no problem, because apps begin so',
  async (_what, toName) => {
    const name = await createNamed('a_shop')
    const run = await runDoctor(addressOf(toName(name)), COLLECTION)
    expect(run).toMatchObject({ code: 0, codes: ['collection_missing'] })
    expect(statusOf(run)).toBe('note')
  },
)

it('the row of a database that does not exist lists databases that do', async () => {
  await createNamed('a_shop')
  const env = { MONGODB_URI: addressOf('a_new_app_before_its_first_deploy_of_all_its_deploys') }
  const { output } = await runCli(['doctor', ...COLLECTION], { env })
  expect(output).toMatch(/^note +database +"a_new_app\w+" does not exist/m)
  expect(output).toMatch(/databases here: "/)
})
