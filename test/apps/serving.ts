import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from './app.js'
import { start } from './programs.js'

const START_LIMIT_MS = 60_000

type Env = Readonly<Record<string, string>>

/** An app that was started. */
export interface Served {
  readonly url: string
  /** What it has printed so far. */
  readonly output: () => string
  /** Resolves when it answers anything, and rejects if it ends before. */
  readonly answering: () => Promise<void>
  /** Ends it and what it started. */
  readonly end: () => Promise<void>
}

/** Starts an app on the port of its environment. With NODE_ENV=test apps take other databases, or do not listen. */
export function serve(command: Command, { cwd, env }: { cwd: string; env: Env }): Served {
  const url = `http://127.0.0.1:${env['PORT'] ?? ''}`
  const { child, output, end } = start(command, { cwd, env: { ...env, NODE_ENV: 'development' } })
  const closed = once(child, 'close')
  return {
    url,
    output,
    async answering() {
      const until = performance.now() + START_LIMIT_MS
      while (!(await answers(url))) {
        if (child.exitCode !== null) throw new Error(`the app ended with ${child.exitCode}:\n${output()}`)
        if (performance.now() > until) throw new Error(`the app does not answer:\n${output()}`)
        await wait(200)
      }
    },
    async end() {
      end()
      await closed
    },
  }
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(url)).body?.cancel()
    return true
  } catch {
    return false
  }
}
