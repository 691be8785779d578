import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, relative } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { onTestFinished } from 'vitest'
import { openNamedDatabase, runScript } from '../support/run-example.js'
import type { RunningExample } from '../support/run-example.js'
import { ROOT } from './markdown.js'
import type { Block } from './markdown.js'
import type { BlockModule } from './modules.js'

const PRELOADED = pathToFileURL(`${ROOT}test/docs/listen-anywhere.mjs`).href

/** Whether a module is a whole server, which can be started. */
export function isServer({ text, world }: BlockModule): boolean {
  const hasExpress = /\bfrom 'express'|\brequire\('express'\)/.test(text)
  return world !== 'browser' && hasExpress && /\blisten\(/.test(text)
}

/** The commands that a page shows for a server, and the answer behind each of them. */
export interface Command {
  readonly block: Block
  readonly answer: unknown
}

/** Finds the `sh` blocks with `curl` between a server and the next code of the page. */
export function commandsFor({ blocks }: BlockModule, all: readonly Block[]): Command[] {
  const after = all.slice(all.indexOf(blocks.at(-1)!) + 1)
  const end = after.findIndex(({ page, tag }) => page !== blocks[0]!.page || ['ts', 'js'].includes(tag))
  const near = end === -1 ? after : after.slice(0, end)
  return near.flatMap((block, index) => {
    if (block.tag !== 'sh' || !/\bcurl\b/.test(block.code)) return []
    const next = near[index + 1]
    return [{ block, answer: next?.tag === 'json' ? (JSON.parse(next.code) as unknown) : undefined }]
  })
}

/** The paths of the routes that a server names. */
export function routesOf({ text }: BlockModule): { method: string; path: string }[] {
  const found = text.matchAll(/\bapp\.(get|post|put|patch|delete)\(\s*'(\/[^']*)'/g)
  return [...found].map(([, method, path]) => ({ method: method!.toUpperCase(), path: path! }))
}

/** Starts a module in a process of its own, on a database of its own. */
export async function start(module: BlockModule): Promise<RunningExample> {
  const { uri } = await openNamedDatabase()
  // The modules import their setups as neighbours of this folder.
  const folder = `${ROOT}test/docs/running-${randomBytes(6).toString('hex')}`
  mkdirSync(folder)
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  const file = `${folder}/${basename(module.path)}`
  writeFileSync(file, module.text.replaceAll(/mongodb(\+srv)?:\/\/[^'"`\s]+/g, uri))
  return runScript(
    relative(ROOT, file),
    [],
    {
      NODE_OPTIONS: `--import ${PRELOADED}`,
      MONGODB_URI: uri,
      ACCESS_TOKEN_SECRET: randomBytes(32).toString('base64url'),
    },
    onTestFinished,
  )
}

/** Runs commands of a page in the package's folder, and returns what they print. `url` is where the server listens. */
export async function runCommands(code: string, url = ''): Promise<{ exitCode: number; output: string }> {
  const { host } = new URL(url || 'http://none')
  // Without the progress bar of curl. An answer with an error status is a failure, as a reader would see it.
  const silent = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }\n'
  const commands = silent + code.replaceAll(/(localhost|127\.0\.0\.1):\d+/g, host)
  const child = spawn('bash', ['-euo', 'pipefail', '-c', commands], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output, [exitCode]] = await Promise.all([
    readAll(child.stdout),
    once(child, 'close') as Promise<[number]>,
  ])
  return { exitCode, output }
}

/** The places where an answer has not the form that the page shows: each member, with a value of the same type. */
export function differences(shown: unknown, found: unknown, place = 'the answer'): string[] {
  if (Array.isArray(shown)) {
    if (!Array.isArray(found)) return [`${place} is no list`]
    return shown.flatMap((item, index) => differences(item, found[index], `${place}[${index}]`))
  }
  if (typeof shown === 'object' && shown !== null) {
    if (typeof found !== 'object' || found === null) return [`${place} is no object`]
    return Object.entries(shown).flatMap(([name, value]) =>
      differences(value, (found as Record<string, unknown>)[name], `${place}.${name}`),
    )
  }
  return typeof shown === typeof found ? [] : [`${place} is ${typeof found} and not ${typeof shown}`]
}
