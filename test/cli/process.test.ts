import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, inject, it, onTestFinished } from 'vitest'

const MAIN = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url))
const ARGS = ['doctor', '--collection', 'no_such_collection', '--database', 'no_such_database_of_any_test']

/** Starts the command as a process of its own. */
function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const inherited = { ...process.env }
  delete inherited['MONGODB_URI']
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], { env: { ...inherited, ...env } })
  onTestFinished(() => void child.kill('SIGKILL'))
  const written = { output: '', errors: '' }
  child.stdout.on('data', chunk => (written.output += String(chunk)))
  child.stderr.on('data', chunk => (written.errors += String(chunk)))
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...written }))
  return { child, ended }
}

/** A server that takes connections and never answers. Gives its address, and a promise of the first connection. */
async function startSilentServer() {
  const server = createServer()
  const connected = once(server, 'connection')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { uri: `mongodb://127.0.0.1:${(server.address() as AddressInfo).port}/`, connected }
}

it('Ctrl-C ends the command at once, with exit code 130', async () => {
  const { uri, connected } = await startSilentServer()
  const { child, ended } = start(ARGS, { MONGODB_URI: uri })
  // A command that cannot start must not hold up the test.
  await Promise.race([connected, ended])
  child.kill('SIGINT')
  expect(await ended).toEqual({ code: 130, output: '', errors: '' })
})

it('the address can be piped, so that it is in no list of processes', async () => {
  const { child, ended } = start(ARGS)
  child.stdin.end(`${inject('mongoUri')}\n`)
  const { code, output, errors } = await ended
  expect({ code, errors }).toEqual({ code: 0, errors: '' })
  expect(output).toContain('collection_missing')
})

it('an empty standard input is no address: exit code 2', async () => {
  const { child, ended } = start(ARGS)
  child.stdin.end()
  expect(await ended).toMatchObject({ code: 2, output: '' })
})

it('a standard input that stays open without an address does not hold up the process for ever', async () => {
  const { ended } = start([...ARGS, '--timeout-ms', '200'])
  const { code, errors } = await ended
  expect(code).toBe(2)
  expect(errors).toContain('there is no address of MongoDB')
})

it('a reader that has gone ends the command without a stack', async () => {
  const { child, ended } = start(ARGS, { MONGODB_URI: inject('mongoUri') })
  child.stdout.destroy()
  expect((await ended).errors).toBe('')
})
