import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { runByNpm, runExample, signalGroup } from '../support/run-example.js'
import type { RunningExample } from '../support/run-example.js'
import { accepts, logIn, MAIN, STARTED_MONGOD, startServer } from './server-requests.js'

/** The message if the server could not stop in order. */
const BY_FORCE = 'Ended by force'
/** The process must end within this time. */
const STOP_MS = 5_000

describe('the end of the server example', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('follows %s, with exit code 0', async signal => {
    const { example } = await startServer()
    await expectOrderlyEnd(example, () => example.process.kill(signal))
  })

  it('does not wait for idle connections, or for connections that never sent a request', async () => {
    const { url, example } = await startServer()
    const agent = new Agent({ keepAlive: true })
    const [response] = (await once(get(`${url}/healthz`, { agent }), 'response')) as [IncomingMessage]
    response.resume()
    await once(response, 'end')
    const silent = connect(Number(new URL(url).port), '127.0.0.1')
    await once(silent, 'connect')
    await expectOrderlyEnd(example, () => example.process.kill())
    agent.destroy()
    silent.destroy()
  })

  it('is possible while the server waits for a MongoDB that cannot be reached', async () => {
    const example = runExample(MAIN, { MONGODB_URI: 'mongodb://127.0.0.1:1/nothing' })
    await example.printed(/^Waiting for MongoDB/m)
    await expectOrderlyEnd(example, () => example.process.kill())
  })

  it('is possible while the server starts its mongod', async () => {
    const example = runExample(MAIN)
    await example.printed(/^alice@example\.com/m)
    const { exitCode, ms } = await example.stop()
    expect(exitCode).toBe(0)
    expect(ms).toBeLessThan(STOP_MS)
    expect(example.output()).not.toContain('Listening')
  })

  it('is possible while the server downloads a mongod, and stops the download', async () => {
    // The mirror never answers, so the download is still running.
    const mirror = createServer().listen(0, '127.0.0.1')
    await once(mirror, 'listening')
    const home = await mkdtemp(join(tmpdir(), 'no-mongod-'))
    onTestFinished(async () => {
      mirror.close()
      await rm(home, { recursive: true })
    })
    const example = runExample(MAIN, {
      ...{ PATH: '', HOME: home, XDG_CACHE_HOME: home, MONGOMS_SYSTEM_BINARY: '', NO_PROXY: '*' },
      MONGOMS_DOWNLOAD_MIRROR: `https://127.0.0.1:${(mirror.address() as AddressInfo).port}`,
    })
    const [download] = (await once(mirror, 'connection')) as [Socket]
    // The end of a stream is noticed only if it is read.
    download.on('error', () => undefined).resume()
    const { exitCode, ms } = await example.stop()
    expect(exitCode).toBe(0)
    expect(ms).toBeLessThan(STOP_MS)
    if (!download.destroyed) await once(download, 'close')
  })

  it('ends its own mongod too when npm gets SIGTERM', () =>
    expectNothingLeft(({ process: npm }) => npm.kill('SIGTERM')))

  it('ends its own mongod too when the process group gets SIGINT, as by Ctrl-C', () =>
    expectNothingLeft(({ process: npm }) => {
      signalGroup(npm, 'SIGINT')
    }))
})

/** Starts the server by npm without a MongoDB URI, and stops it. */
async function expectNothingLeft(interrupt: (example: RunningExample) => void): Promise<void> {
  const example = runByNpm()
  const url = await example.listening()
  const [, , mongoPort] = await example.printed(STARTED_MONGOD)
  await logIn(url, 'alice@example.com')
  expect(await accepts(Number(mongoPort))).toBe(true)
  await expectOrderlyEnd(example, () => {
    interrupt(example)
  })
  expect(await accepts(Number(new URL(url).port))).toBe(false)
  expect(await accepts(Number(mongoPort))).toBe(false)
}

/** Expects an end in time, with exit code 0 and without the message of a forced stop. */
async function expectOrderlyEnd(example: RunningExample, interrupt: () => unknown): Promise<void> {
  const ended = example.ended()
  interrupt()
  const { exitCode, ms } = await ended
  expect(exitCode).toBe(0)
  expect(ms).toBeLessThan(STOP_MS)
  expect(example.output()).not.toContain(BY_FORCE)
}
