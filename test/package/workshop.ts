import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CONSUMERS = join(ROOT, 'test/consumers')
/** What the compiler needs and the tarball does not have. */
const CONFIGURATIONS = ['tsconfig.json', 'tsconfig.build.json']
/** Files that every consumer gets that has none of its own. */
const SHARED = ['tsconfig.json', 'visit.ts']

/** Ends a child that hangs, so that only its test fails. */
const CHILD_LIMIT_MS = 240_000
/** The consumers pin their dependencies, so the npm cache is as good as the registry. */
const NPM_INSTALL = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']

/** The output of a child process, and how it ended. */
export interface Outcome {
  /** `null` if a signal ended the process. */
  readonly exitCode: number | null
  readonly output: string
  readonly errors: string
}

/** A project that has installed the tarball. */
export interface Consumer {
  /** Compiles the project with a compiler of the workshop, into a folder for this compiler. */
  compile(compiler: string): Promise<Outcome>
  /** Runs a file that a compiler made. */
  run(compiler: string, file: string, env: Readonly<Record<string, string>>): Promise<Outcome>
  /** Runs one of its own files, or a program that it has installed, e.g. `node_modules/jest/bin/jest.js`. */
  runSource(file: string, args?: readonly string[], env?: Readonly<Record<string, string>>): Promise<Outcome>
  /** Runs a command that one of its packages brings, as `npx` does. */
  runCommand(name: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Outcome>
  /** Reads one of its own files. */
  read(file: string): Promise<string>
  /** Replaces one of its own files. */
  write(file: string, text: string): Promise<void>
  /** Puts one of its installed modules in the place of another. */
  replaceModule(name: string, replacement: string): Promise<void>
}

/** A temporary folder with the tarball of this package, compilers, and consumers. */
export interface Workshop {
  /** The path of the tarball. */
  readonly tarball: string
  /** Copies a folder of `test/consumers`, and installs its dependencies and the tarball. */
  createConsumer(name: string): Promise<Consumer>
  /** Deletes the folder. */
  close(): Promise<void>
}

/** Packs the package, and installs these versions of TypeScript. */
export async function openWorkshop(compilers: readonly string[]): Promise<Workshop> {
  const folder = await mkdtemp(join(tmpdir(), 'express-custom-user-data-'))
  const [tarball] = await Promise.all([pack(folder), installCompilers(folder, compilers)])
  return {
    tarball,
    createConsumer: name => createConsumer(folder, name, tarball),
    close: () => rm(folder, { recursive: true, force: true }),
  }
}

/**
 * Packs what `npm publish` packs, into a folder, and returns the path of the tarball. It builds in a copy, because `dist` of
 * the work tree may be stale or in use.
 */
export async function pack(folder: string): Promise<string> {
  const staged = join(folder, 'staged')
  const { files } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { files: string[] }
  const published = files.filter(part => part !== 'dist' && !part.startsWith('!'))
  for (const part of ['package.json', 'README.md', 'LICENSE', ...published, ...CONFIGURATIONS]) {
    await cp(join(ROOT, part), join(staged, part), { recursive: true })
  }
  await symlink(join(ROOT, 'node_modules'), join(staged, 'node_modules'), 'junction')
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  await must(staged, process.execPath, [tsc, '-p', 'tsconfig.build.json'])
  await must(ROOT, process.execPath, ['tools/make-executable.mjs', staged])
  const { output } = await must(staged, 'npm', ['pack', '--silent', '--ignore-scripts'])
  return join(staged, output.trim())
}

async function installCompilers(folder: string, compilers: readonly string[]): Promise<void> {
  const home = compilersFolder(folder)
  await mkdir(home)
  await writeFile(join(home, 'package.json'), '{ "private": true }')
  await must(home, 'npm', [...NPM_INSTALL, ...compilers.map(alias)])
}

function alias(compiler: string): string {
  return `typescript-${compiler}@npm:typescript@~${compiler}.0`
}

function compilersFolder(folder: string): string {
  return join(folder, 'compilers')
}

async function createConsumer(folder: string, name: string, tarball: string): Promise<Consumer> {
  const home = join(folder, name)
  for (const file of SHARED) await cp(join(CONSUMERS, file), join(home, file))
  await cp(join(CONSUMERS, name), home, { recursive: true })
  await must(home, 'npm', [...NPM_INSTALL, tarball])
  const node = (args: readonly string[], env = {}): Promise<Outcome> => run(home, process.execPath, args, env)
  return {
    compile(compiler) {
      const tsc = join(compilersFolder(folder), `node_modules/typescript-${compiler}/bin/tsc`)
      return node([tsc, '-p', '.', '--pretty', 'false', '--outDir', outFolder(compiler)])
    },
    run: (compiler, file, env) => node([join(outFolder(compiler), file)], env),
    runSource: (file, args = [], env = {}) => node([file, ...args], env),
    runCommand: (name, args, env = {}) => run(home, join(home, 'node_modules/.bin', name), args, env),
    read: file => readFile(join(home, file), 'utf8'),
    write: (file, text) => writeFile(join(home, file), text),
    async replaceModule(name, replacement) {
      const [target, source] = [name, replacement].map(module => join(home, 'node_modules', module))
      await rm(target!, { recursive: true })
      await cp(source!, target!, { recursive: true })
    },
  }
}

function outFolder(compiler: string): string {
  return `out-${compiler}`
}

/** Runs a command that must succeed. */
export async function must(
  cwd: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const outcome = await run(cwd, command, args, env)
  if (outcome.exitCode === 0) return outcome
  throw new Error(`${command} ${args.join(' ')} failed:\n${outcome.output}${outcome.errors}`)
}

function run(cwd: string, command: string, args: readonly string[], env = {}): Promise<Outcome> {
  return new Promise(resolve => {
    const options = { cwd, env: { ...process.env, ...env }, timeout: CHILD_LIMIT_MS }
    const child = execFile(command, args, options, (error, output, errors) => {
      // A child that could not start or was killed prints nothing. Then Node's message says more.
      resolve({ exitCode: child.exitCode, output, errors: errors || (error?.message ?? '') })
    })
  })
}
