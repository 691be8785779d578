/** Installs the tarball as an app does, and looks at what the app gets. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { BUDGET } from './budget.js'
import { must, pack } from './workshop.js'

// A compiler and a package manager are slow, especially on a busy machine.
vi.setConfig({ hookTimeout: 300_000 })

const NAME = 'express-custom-user-data'
/** The peers that every app has. */
const PEERS = ['express@5', 'mongodb@7']
const NPM_INSTALL = ['install', '--prefer-offline', '--no-audit', '--no-fund']

/** What may be in the tarball. The folders of entry points, such as `testing/`, come from `exports`. */
const ALLOWED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|CONTRIBUTING\.md|SECURITY\.md)$/,
  /^dist\/[\w/-]+(\.d)?\.m?ts(\.map)?$/,
  /^dist\/[\w/-]+\.m?js(\.map)?$/,
  /^lib\/((app-services\/)?README\.md|[\w/-]+\.m?ts)$/,
  /^docs\/([\w-]+\/)?[\w-]+\.md$/,
  /^docs\/images\/[\w-]+\.svg$/,
  /^examples\/[\w/-]+\.(md|ts|js|mjs|html|css|svg|json)$/,
  // The results that the README names. No other test is published.
  /^test\/bench\/(README|results\/latest)\.md$/,
]

interface Manifest {
  readonly version: string
  readonly exports: Readonly<Record<string, unknown>>
}

interface Locked {
  readonly version?: string
  readonly deprecated?: string
  readonly hasInstallScript?: boolean
}

let folder: string
let home: string
let packedBytes: number
/** Sizes of the installed files of the package, by their paths with slashes. */
let files: ReadonlyMap<string, number>
let manifest: Manifest
/** What npm printed while it installed the tarball. */
let printed: string
let peersOnly: ReadonlyMap<string, number>
let withPackage: ReadonlyMap<string, number>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tarball-'))
  home = join(folder, 'node_modules', NAME)
  await mkdir(join(folder, 'packing'))
  await writeFile(join(folder, 'package.json'), '{ "private": true }')
  const tarball = await pack(join(folder, 'packing'))
  packedBytes = (await stat(tarball)).size
  const env = withoutSettings()
  await must(folder, 'npm', [...NPM_INSTALL, ...PEERS], env)
  peersOnly = await measurePackages()
  const { output, errors } = await must(folder, 'npm', [...NPM_INSTALL, tarball], env)
  printed = output + errors
  withPackage = await measurePackages()
  files = await measureFiles(home)
  manifest = JSON.parse(await readFile(join(home, 'package.json'), 'utf8')) as Manifest
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('the tarball', () => {
  it('has files of the allowed kinds only', () => {
    const isAllowed = (path: string) => ALLOWED.some(kind => kind.test(path))
    const entryPoints = Object.keys(manifest.exports).map(path => `${path.slice(2)}/package.json`)
    expect([...files.keys()].filter(path => !isAllowed(path) && !entryPoints.includes(path))).toEqual([])
  })

  it('has the pages that a reader looks for first', () => {
    const pages = ['README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md', 'docs/README.md']
    expect(pages.filter(page => !files.has(page))).toEqual([])
  })

  it('has no map whose source is missing, and no code or types without a map', async () => {
    const maps = [...files.keys()].filter(path => path.endsWith('.map'))
    expect(maps.length).toBeGreaterThan(500)
    const missing = await Promise.all(
      maps.map(async path => {
        const { sources } = JSON.parse(await readFile(join(home, path), 'utf8')) as { sources: string[] }
        const found = sources.map(source => toSlashes(relative(home, join(home, dirname(path), source))))
        return found.filter(source => !files.has(source)).map(source => `${path}: ${source}`)
      }),
    )
    expect(missing.flat()).toEqual([])
    const mapped = [...files.keys()].filter(path => /^dist\/.*\.m?[jt]s$/.test(path))
    expect(mapped.filter(path => !files.has(`${path}.map`))).toEqual([])
  })

  it('stays within the budget', () => {
    const sizes = [...files.values()]
    const unpackedBytes = sizes.reduce((sum, size) => sum + size, 0)
    const found = { packedBytes, unpackedBytes, files: files.size, largestFileBytes: Math.max(...sizes) }
    expectWithinBudget(found)
  })
})

describe('an app that installs it', () => {
  it('gets no warning of npm: nothing is deprecated, needs another Node or has an install script', async () => {
    expect(printed).toMatch(/^added \d+ packages/m)
    expect(printed.split('\n').filter(line => /\bwarn|deprecated/i.test(line))).toEqual([])
    const text = await readFile(join(folder, 'package-lock.json'), 'utf8')
    const { packages } = JSON.parse(text) as { packages: Record<string, Locked> }
    const locked = Object.entries(packages)
    expect(locked.map(([path]) => path)).toContain(`node_modules/${NAME}`)
    const bad = locked.filter(([, { deprecated, hasInstallScript }]) => deprecated ?? hasInstallScript)
    expect(bad.map(([path]) => path)).toEqual([])
  })

  it('gets no more packages and bytes than the budget allows', () => {
    const added = [...withPackage].filter(([path]) => !peersOnly.has(path) && path !== NAME)
    const addedBytes = added.reduce((sum, [, size]) => sum + size, 0)
    expectWithinBudget({ addedPackages: added.length, addedBytes })
  })
})

function expectWithinBudget(found: Partial<Record<keyof typeof BUDGET, number>>): void {
  console.log(found)
  const exceeded = Object.entries(found).filter(
    ([name, figure]) => figure > BUDGET[name as keyof typeof BUDGET],
  )
  expect(Object.fromEntries(exceeded)).toEqual({})
}

/** The environment without the settings that `npm run` and `npx` hand on, such as a log level. */
function withoutSettings(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter(name => /^npm_/i.test(name))
  return Object.fromEntries(names.map(name => [name, undefined]))
}

/** The bytes of each installed package, by its path in `node_modules`. */
async function measurePackages(): Promise<Map<string, number>> {
  const modules = join(folder, 'node_modules')
  const installed = JSON.parse(await readFile(join(modules, '.package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>
  }
  const paths = Object.keys(installed.packages).map(path => path.replace(/^node_modules\//, ''))
  const sizes = new Map<string, number>()
  for (const path of paths) {
    const own = [...(await measureFiles(join(modules, path)))].filter(
      ([file]) => !file.startsWith('node_modules/'),
    )
    sizes.set(
      path,
      own.reduce((sum, [, size]) => sum + size, 0),
    )
  }
  return sizes
}

async function measureFiles(root: string): Promise<Map<string, number>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const paths = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const sizes = await Promise.all(paths.map(async path => (await stat(path)).size))
  return new Map(paths.map((path, index) => [toSlashes(relative(root, path)), sizes[index]!]))
}

function toSlashes(path: string): string {
  return path.split(sep).join('/')
}
