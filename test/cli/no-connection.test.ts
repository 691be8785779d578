import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { parseDoctorOptions } from '../../lib/cli/doctor/options.js'
import { adviseOnConnection } from '../../lib/cli/doctor/connection-advice.js'
import { runDoctor } from './run-cli.js'

const COLLECTION = ['--collection', 'custom_user_data']
const NO_PASSWORD = /the user and the password/

/** What the only finding says about an address. */
async function refusalOf(uri: string, args: readonly string[] = ['--timeout-ms', '2000']): Promise<string> {
  const run = await runDoctor(uri, [...COLLECTION, ...args])
  expect(run).toMatchObject({ code: 2, ok: false, codes: ['connection_failed'] })
  return run.findings[0]?.message ?? ''
}

describe("without a connection the finding has the driver's own reason, and advice for this reason alone", () => {
  it('a port on which nothing listens', async () => {
    const message = await refusalOf('mongodb://127.0.0.1:1/app')
    expect(message).toContain('connect ECONNREFUSED 127.0.0.1:1')
    expect(message).toContain('Nothing listens on this port. Check the port in the address')
    expect(message).not.toMatch(NO_PASSWORD)
  })

  it('a host that does not exist', async () => {
    const message = await refusalOf('mongodb://user:hunter2@no-such-host.invalid/app')
    expect(message).toMatch(/getaddrinfo (ENOTFOUND|EAI_AGAIN) no-such-host\.invalid/)
    expect(message).toContain('Check the name of the host in the address')
    expect(message).not.toMatch(NO_PASSWORD)
    expect(message).not.toContain('hunter2')
  })

  it('a cluster name that no name server knows', async () => {
    const message = await refusalOf('mongodb+srv://no-such-cluster.example.invalid/app')
    expect(message).toContain('Check the name of the host in the address')
  })

  it('a wrong name of the replica set: the advice has the right name', async () => {
    const uri = inject('mongoUri')
    const right = new URL(uri).searchParams.get('replicaSet')
    expect(right).toBeTruthy()
    const message = await refusalOf(uri.replace(`replicaSet=${right}`, 'replicaSet=wrong'))
    expect(message).toContain(`belongs to the replica set "${right}", and the address says replicaSet=wrong`)
    expect(message).toContain(`Write replicaSet=${right}`)
    expect(message).not.toMatch(NO_PASSWORD)
  })

  it('a server that takes connections and never answers', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const message = await refusalOf(`mongodb://127.0.0.1:${(server.address() as AddressInfo).port}/app`, [
      '--timeout-ms',
      '500',
    ])
    expect(message).not.toContain('DeadlineError')
    expect(message).toContain('firewall')
    expect(message).not.toMatch(NO_PASSWORD)
  })

  it.each(['mongodb5', 'mongodb6', 'mongodb'])('also with %s', async name => {
    const { MongoClient } = createRequire(import.meta.url)(name) as typeof import('mongodb')
    const client = new MongoClient('mongodb://127.0.0.1:1,no-such-host.invalid/', {
      serverSelectionTimeoutMS: 2_000,
    })
    const error: unknown = await client.connect().catch((thrown: unknown) => thrown)
    await client.close()
    const advice = adviseOnConnection(error, { servers: [], replicaSet: undefined })
    expect(advice).toContain('Nothing listens on this port.')
    expect(advice).toContain('Check the name of the host')
  })
})

it.each([
  [[], 10_000, 30_000],
  [['--timeout-ms', '2000'], 2_000, 2_000],
  [['--timeout-ms', '60000'], 60_000, 60_000],
])('with %j a connection may take %i ms, and each check %i ms', (args, connectTimeoutMs, timeoutMs) => {
  expect(parseDoctorOptions([...COLLECTION, ...args], {})).toMatchObject({ connectTimeoutMs, timeoutMs })
})
