/**
 * Runs the whole suite on every Node line that the package supports: `npm run test:nodes`. Arguments go to vitest:
 * `npm run test:nodes -- test/flows`. The binaries come from npm and stay in the user's cache folder.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../../examples/support/find-mongod.js'
import { LINES } from './lines.js'
import type { Line } from './lines.js'

const PLATFORM = process.platform === 'win32' ? 'win' : process.platform
/** One binary, without scripts or dependencies. */
const PACKAGE = `node-${PLATFORM}-${process.arch}`
const VITEST = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')

const INSTALL_LIMIT_MS = 300_000
const SUITE_LIMIT_MS = 1_800_000

/** A binary that has answered to `--version`. */
interface NodeBinary {
  readonly path: string
  readonly version: string
}

const results: { node: string; result: string }[] = []
for (const line of LINES) results.push(await testOn(line))
console.log(`\n${results.map(({ node, result }) => `Node ${node.padEnd(10)} ${result}`).join('\n')}`)
const ran = results.filter(({ result }) => result !== 'not available')
process.exitCode = ran.length > 0 && ran.every(({ result }) => result === 'passed') ? 0 : 1

async function testOn(line: Line): Promise<{ node: string; result: string }> {
  const binary = await obtain(line)
  if (!binary) return { node: `${line.major}`, result: 'not available' }
  console.log(`\nNode ${binary.version}`)
  return { node: binary.version, result: (await runSuite(binary)) ? 'passed' : 'failed' }
}

/** The newest of the line from npm, else the one from last time, else the node that runs this. */
async function obtain(line: Line): Promise<NodeBinary | undefined> {
  const home = join(cacheFolder(), 'nodes', `${line.major}`)
  const path = join(home, 'node_modules', PACKAGE, 'bin', PLATFORM === 'win' ? 'node.exe' : 'node')
  try {
    await install(home, line.range)
    return await askVersion(path)
  } catch (error) {
    console.error(`Node ${line.major}: no ${PACKAGE}@${line.range} from npm. ${reasonOf(error)}`)
  }
  const substitute = (await askVersion(path).catch(() => undefined)) ?? ownBinary(line)
  if (substitute) console.error(`Node ${line.major}: ${substitute.version} is here, and is used instead.`)
  return substitute
}

async function install(home: string, range: string): Promise<void> {
  await mkdir(home, { recursive: true })
  await writeFile(join(home, 'package.json'), '{ "private": true }')
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  await promisify(execFile)('npm', [...args, `${PACKAGE}@${range}`], { cwd: home, timeout: INSTALL_LIMIT_MS })
}

/** Asking also tells whether the binary runs here: it may want another C library. */
async function askVersion(path: string): Promise<NodeBinary> {
  const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 10_000 })
  return { path, version: stdout.trim().slice(1) }
}

function ownBinary({ major }: Line): NodeBinary | undefined {
  const [ownMajor = 0, ownMinor = 0] = process.versions.node.split('.').map(Number)
  const isSupported = ownMajor === major && (major > 20 || ownMinor >= 19)
  return isSupported ? { path: process.execPath, version: process.versions.node } : undefined
}

/** First on the PATH, so that what the tests start runs on the same Node. */
async function runSuite({ path }: NodeBinary): Promise<boolean> {
  const env = { ...process.env, PATH: [dirname(path), process.env['PATH']].join(delimiter) }
  const args = [VITEST, 'run', ...process.argv.slice(2)]
  const suite = spawn(path, args, { stdio: 'inherit', env, timeout: SUITE_LIMIT_MS })
  const [exitCode] = (await once(suite, 'exit')) as [number | null]
  return exitCode === 0
}

function reasonOf(error: unknown): string {
  const { stderr = '', message } = error as { stderr?: string; message: string }
  return stderr.trim() || message
}
