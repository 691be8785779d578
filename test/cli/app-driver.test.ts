import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, inject, it, onTestFinished } from 'vitest'
import { findAppDriver } from '../../lib/cli/doctor/app-driver.js'
import { runCli, runDoctor } from './run-cli.js'

const MODULES = fileURLToPath(new URL('../../node_modules/', import.meta.url))

/** A folder of an app, with modules of this project under other names. */
async function createApp(modules: Readonly<Record<string, string>> = {}): Promise<string> {
  const app = await realpath(await mkdtemp(join(tmpdir(), 'doctor-')))
  onTestFinished(() => rm(app, { recursive: true }))
  for (const [name, source] of Object.entries(modules)) {
    const target = join(app, 'node_modules', name)
    await mkdir(dirname(target), { recursive: true })
    await symlink(join(MODULES, source), target)
  }
  return app
}

/** A mongoose that has a driver inside, as npm installs it beside another driver. */
async function addMongoose(app: string, driver: string): Promise<void> {
  const inside = join(app, 'node_modules/mongoose/node_modules')
  await mkdir(inside, { recursive: true })
  await writeFile(
    join(app, 'node_modules/mongoose/package.json'),
    '{ "name": "mongoose", "main": "index.js" }',
  )
  await writeFile(join(app, 'node_modules/mongoose/index.js'), '')
  await symlink(join(MODULES, driver), join(inside, 'mongodb'))
}

it('the driver is the mongodb of the app, also if its mongoose has another', async () => {
  const app = await createApp({ mongodb: 'mongodb6' })
  await addMongoose(app, 'mongodb5')
  expect(findAppDriver(app)).toMatchObject({ version: '6.13.0', from: 'of this app' })
})

it('an app with mongoose alone has the driver inside mongoose', async () => {
  const app = await createApp()
  await addMongoose(app, 'mongodb5')
  expect(findAppDriver(app)).toMatchObject({
    version: expect.stringMatching(/^5\.9\./),
    from: 'of the mongoose of this app',
  })
})

it('a folder without a driver has the one beside this package', async () => {
  expect(findAppDriver(await createApp())).toMatchObject({ from: 'beside express-custom-user-data' })
})

it('a broken mongodb of the app is not taken', async () => {
  const app = await createApp()
  const broken = join(app, 'node_modules/mongodb')
  await mkdir(broken, { recursive: true })
  await writeFile(
    join(broken, 'package.json'),
    '{ "name": "mongodb", "version": "9.9.9", "main": "index.js" }',
  )
  await writeFile(join(broken, 'index.js'), 'throw new Error("broken")')
  expect(findAppDriver(app)).toMatchObject({ from: 'beside express-custom-user-data' })
})

it.each(['mongodb5', 'mongodb6', 'mongodb'])(
  'doctor connects with the driver %s of the app',
  async driver => {
    const app = await createApp({ mongodb: driver })
    const args = ['--collection', 'no_such_collection', '--database', 'no_such_database_of_any_test']
    const run = await runDoctor(inject('mongoUri'), args, { cwd: app })
    expect(run).toMatchObject({
      code: 0,
      codes: ['collection_missing'],
      facts: { driver: { from: 'of this app' } },
    })
  },
)

it('a driver that is too old is refused in the words of the package, with exit code 2', async () => {
  const app = await createApp({ mongodb: 'mongodb56' })
  const run = await runDoctor(inject('mongoUri'), ['--collection', 'custom_user_data'], { cwd: app })
  expect(run).toMatchObject({ code: 2, ok: false, codes: ['driver_too_old'] })
  expect(run.findings[0]?.message).toContain('it comes from mongodb 5.6.0. The driver must be 5.9 or later.')
})

it('a driver that quotes an address which it cannot read shows no part of the password', async () => {
  const app = await createApp({ mongodb: 'mongodb6' })
  const uri = 'mongodb://user:hunter2%@host:port/'
  const run = await runDoctor(uri, ['--collection', 'custom_user_data'], { cwd: app })
  expect(run).toMatchObject({ code: 2, codes: ['connection_failed'] })
  expect(run.output).not.toContain('hunter2')
})

it('a part of a password that a driver before 7 takes for the host is not shown', async () => {
  const cwd = await createApp({ mongodb: 'mongodb6' })
  const env = { MONGODB_URI: 'mongodb://user:hunter2@n0t-a-word@127.0.0.1:1/' }
  const args = ['doctor', '--collection', 'custom_user_data', '--timeout-ms', '300']
  const { code, output, errors } = await runCli(args, { cwd, env })
  expect({ code, output }).toEqual({ code: 2, output: '' })
  expect(errors).toContain('Write %40 for an @')
  expect(errors).not.toContain('n0t-a-word')
})
