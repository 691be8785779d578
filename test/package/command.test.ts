import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { fillBroken, fillHealthy } from '../cli/databases.js'
import type { JsonReport } from '../cli/run-cli.js'
import { useDatabase } from '../support/database.js'
import { openWorkshop } from './workshop.js'
import type { Consumer, Workshop } from './workshop.js'

// Package managers are slow, especially on a busy machine.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const COMMAND = 'express-custom-user-data'

describe('the command of the packed tarball, in an app with mongodb 6.13', () => {
  const healthy = useDatabase()
  const broken = useDatabase()
  let workshop: Workshop
  let consumer: Consumer
  beforeAll(async () => {
    workshop = await openWorkshop([])
    consumer = await workshop.createConsumer('commonjs')
    await fillHealthy(healthy.db)
    await fillBroken(broken.db)
  })
  afterAll(() => workshop.close())

  const doctor = (database: string, ...args: string[]) =>
    consumer.runCommand(COMMAND, ['doctor', '--database', database, '--users', 'users', ...args], {
      MONGODB_URI: inject('mongoUri'),
    })

  it('is a file that may be run, for package managers that leave modes alone', async () => {
    const { stdout } = await promisify(execFile)('tar', ['-tvf', workshop.tarball])
    expect(stdout.split('\n').find(line => line.endsWith('package/dist/cli/main.js'))).toMatch(/^-rwxr-xr-x /)
  })

  it('prints its help and its version', async () => {
    expect(await consumer.runCommand(COMMAND, ['--version'])).toMatchObject({
      exitCode: 0,
      output: expect.stringMatching(/^\d+\.\d+\.\d+\S*\n$/),
      errors: '',
    })
    expect(await consumer.runCommand(COMMAND, ['--help'])).toMatchObject({ exitCode: 0, errors: '' })
  })

  it('exits with 0 for a healthy database, and names the driver of the app', async () => {
    const run = await doctor(healthy.db.databaseName, '--collection', 'custom_user_data')
    expect(run).toMatchObject({ exitCode: 0, errors: '' })
    expect(run.output).toMatch(/^ok +driver +mongodb 6\.13\.\d+ of this app$/m)
  })

  it('exits with 1 for a broken database, and its JSON is all that it prints', async () => {
    const run = await doctor(broken.db.databaseName, '--collection', 'custom_user_data', '--json')
    expect(run.exitCode).toBe(1)
    const { ok, findings } = JSON.parse(run.output) as JsonReport
    expect(ok).toBe(false)
    expect(findings.map(({ code }) => code)).toContain('duplicate_documents')
  })

  it('exits with 2 for a mistyped option', async () => {
    const run = await doctor(healthy.db.databaseName, '--colection', 'custom_user_data')
    expect(run).toMatchObject({ exitCode: 2, output: '' })
    expect(run.errors).toContain('Did you mean --collection?')
  })
})
