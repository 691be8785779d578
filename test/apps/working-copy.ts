import { appendFile, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { App, Clone, Generator } from './app.js'
import { must, run } from './programs.js'
import type { Outcome } from './programs.js'

const PATCHES = fileURLToPath(new URL('.', import.meta.url))
// Scripts of packages would download browsers and servers, and an app's own would start its tools for git hooks.
const NPM_INSTALL = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'] as const
const COMMIT = [
  '-c',
  'user.name=apps',
  '-c',
  'user.email=apps@localhost',
  'commit',
  '--quiet',
  '--no-verify',
] as const

/** A copy of an app that patches and installations may change. */
export interface WorkingCopy {
  /** The folder of the app's `package.json`. */
  readonly folder: string
  /** Lifts the versions that are below what we support, and installs. */
  applyFloor(): Promise<void>
  /** Puts the package in: `npm install` of the tarball, and the patch of the way. Replaces the way from before. */
  applyWay(name: string, tarball: string): Promise<void>
  /** Installs versions that the app had, and then this package, which npm may refuse. */
  installWithout(way: string, versions: readonly string[], tarball: string): Promise<Outcome>
  /** Installs these versions and the package together, although npm refuses that. */
  force(versions: readonly string[], tarball: string): Promise<void>
  /** The version of a package that is installed. */
  installed(name: string): Promise<string>
}

/** Why an app cannot be tried. */
export class Skipped extends Error {}

/** Copies the app into a folder. @throws Skipped if its clone or the commit is missing */
export async function createWorkingCopy(app: App, clones: string, into: string): Promise<WorkingCopy> {
  const root = join(into, app.name)
  const { source } = app
  await rm(root, { recursive: true, force: true })
  if ('generator' in source) await generate(source, root)
  else await checkOut(source, join(clones, app.name), root)
  const below = 'generator' in source ? '' : (source.folder ?? '')
  const folder = join(root, below)
  const git = (...args: string[]) => must(['git', ...args], { cwd: folder })

  async function apply(name: string): Promise<void> {
    const patch = join(PATCHES, app.name, `${name}.patch`)
    // In a folder git would leave out, without a word, what a patch names above it.
    await must(['git', 'apply', '--whitespace=nowarn', `--directory=${below}`, patch], { cwd: root })
  }
  async function patchAlone(name: string): Promise<void> {
    await git('reset', '--quiet', '--hard')
    await git('clean', '--quiet', '-d', '--force')
    await apply(name)
  }
  async function install(...packages: string[]): Promise<void> {
    await must(['npm', ...NPM_INSTALL, ...packages], { cwd: folder })
    for (const command of app.prepare ?? []) await must(command, { cwd: folder })
  }
  return {
    folder,
    async applyFloor() {
      await apply('floor')
      await install()
      await git('add', '--all', '.')
      await git(...COMMIT, '--allow-empty', '--message', 'floor')
    },
    async applyWay(name, tarball) {
      await patchAlone(name)
      await install(tarball)
    },
    async installWithout(way, versions, tarball) {
      await patchAlone(way)
      await install('--force', ...versions)
      return run(['npm', ...NPM_INSTALL, tarball], { cwd: folder })
    },
    force: (versions, tarball) => install('--force', ...versions, tarball),
    async installed(name) {
      const text = await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8')
      return (JSON.parse(text) as { version: string }).version
    },
  }
}

async function checkOut({ commit }: Clone, clone: string, root: string): Promise<void> {
  if (!(await exists(clone))) throw new Skipped(`no clone at ${clone}`)
  const found = await run(['git', 'cat-file', '-e', `${commit}^{commit}`], { cwd: clone })
  if (found.exitCode !== 0) throw new Skipped(`${clone} has no commit ${commit}`)
  await must(['git', 'clone', '--quiet', '--shared', '--no-checkout', clone, root], { cwd: clone })
  await must(['git', 'checkout', '--quiet', '--detach', commit], { cwd: root })
  await leaveOutInstalled(root)
}

/** Not every app has a .gitignore. */
function leaveOutInstalled(root: string): Promise<void> {
  return appendFile(join(root, '.git/info/exclude'), 'node_modules/\n')
}

async function generate({ generator }: Generator, root: string): Promise<void> {
  await mkdir(root, { recursive: true })
  await must(generator, { cwd: root })
  await must(['git', 'init', '--quiet'], { cwd: root })
  await leaveOutInstalled(root)
  await must(['git', 'add', '--all'], { cwd: root })
  await must(['git', ...COMMIT, '--message', 'generated'], { cwd: root })
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
