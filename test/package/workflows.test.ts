/** Compares the lists in `.github/` with the lists that decide what the package supports, so that no list is forgotten. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import config from '../../vitest.config.mjs'
import { DRIVERS } from '../drivers/drivers.js'
import { LINES } from '../nodes/lines.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

interface Job {
  readonly 'timeout-minutes'?: number
  readonly permissions?: Readonly<Record<string, string>>
  readonly strategy?: {
    readonly matrix: Readonly<Record<'node' | 'project' | 'driver' | 'part', string[]>> & {
      readonly include?: readonly { readonly node: string; readonly project: string }[]
    }
  }
  readonly steps: readonly Step[]
}

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}

interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>
  readonly concurrency?: unknown
  readonly jobs: Readonly<Record<string, Job>>
}

interface Manifest {
  readonly engines: { readonly node: string }
  readonly scripts: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const manifest = JSON.parse(read('package.json')) as Manifest
const ci = readYaml('.github/workflows/ci.yml') as Workflow
const full = readYaml('.github/workflows/full.yml') as Workflow
const workflowFiles = readdirSync(`${ROOT}.github/workflows`)

/** The oldest Node that `engines` allows, and the newest of each later line. */
const oldestNode = manifest.engines.node.replace('>=', '')
const nodes = LINES.map(({ major }) => (oldestNode.startsWith(`${major}.`) ? oldestNode : `${major}`))

/** The projects of vitest that run the whole behaviour, and those that run programs. */
const projects = (config.test?.projects ?? []) as { test: { name: string } }[]
const projectNames = projects.map(({ test }) => test.name)
const behaviour = ['newest', 'oldest']
const programs = projectNames.filter(name => !behaviour.includes(name))

describe('the full matrix', () => {
  it('has each line of Node, beginning with the oldest version that engines allows, with both ends of the peers', () => {
    expect(nodes[0]).toBe(oldestNode)
    const { matrix } = full.jobs['peers']!.strategy!
    expect(matrix.node).toEqual(nodes)
    expect([...matrix.project].sort()).toEqual(behaviour)
  })

  it('has each driver that the tests know', () => {
    expect(full.jobs['drivers']!.strategy!.matrix.driver).toEqual([...DRIVERS])
  })

  it('has each project of programs on the oldest and on the newest Node', () => {
    const { matrix } = full.jobs['programs']!.strategy!
    expect(matrix.part.filter(part => part !== 'feed').sort()).toEqual([...programs].sort())
    expect(matrix.node).toEqual([nodes[0], nodes.at(-1)])
  })
})

describe('a pull request', () => {
  it('runs the oldest peers on the oldest Node, and the newest peers on the newest Node', () => {
    expect(ci.jobs['peers']!.strategy!.matrix.include).toEqual([
      { node: nodes[0], project: 'oldest' },
      { node: nodes.at(-1), project: 'newest' },
    ])
  })

  it('runs each project of programs but the long one, and the checks', () => {
    const { part } = ci.jobs['programs']!.strategy!.matrix
    expect([...part, 'load'].sort()).toEqual([...programs].sort())
    expect(ci.jobs['check']!.steps.map(({ run }) => run)).toContain('npm run check')
  })
})

describe.each(workflowFiles)('%s', file => {
  const workflow = readYaml(`.github/workflows/${file}`) as Workflow
  const jobs = Object.entries(workflow.jobs)
  const steps = jobs.flatMap(([, job]) => job.steps)

  it('grants nothing by default but reading, and each job ends by itself', () => {
    expect(workflow.permissions).toBeTypeOf('object')
    expect(Object.values(workflow.permissions!)).not.toContain('write')
    expect(workflow.concurrency).toBeDefined()
    expect(jobs.filter(([, job]) => job['timeout-minutes'] === undefined)).toEqual([])
  })

  it('names each action by its full commit, and keeps no credentials after a checkout', () => {
    const actions = steps.flatMap(({ uses }) => uses ?? []).filter(uses => !uses.startsWith('./'))
    expect(actions.filter(uses => !/^[\w-]+\/[\w/-]+@[0-9a-f]{40}$/.test(uses))).toEqual([])
    const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'))
    expect(checkouts.filter(step => step.with?.['persist-credentials'] !== false)).toEqual([])
  })

  it('runs only scripts that package.json has', () => {
    const scripts = steps.flatMap(({ run }) => /^npm run (\S+)/.exec(run ?? '')?.[1] ?? [])
    expect(scripts.filter(script => manifest.scripts[script] === undefined)).toEqual([])
  })
})

it('only the job that publishes may have a token for npm, and it checks out and installs nothing', () => {
  const { jobs } = readYaml('.github/workflows/publish.yml') as Workflow
  const trusted = Object.values(jobs).filter(({ permissions }) => permissions?.['id-token'] === 'write')
  expect(trusted).toEqual([jobs['publish']])
  const text = JSON.stringify(trusted)
  expect(text).toContain('npm publish')
  expect(text).not.toMatch(/actions\/checkout|npm (ci|install|run)|\.\/\.github/)
})

it('Dependabot leaves alone each package that is installed under another name, and nothing that is gone', () => {
  interface Update {
    readonly 'package-ecosystem': string
    readonly ignore?: readonly { readonly 'dependency-name': string; readonly 'update-types'?: string[] }[]
  }
  const { updates } = readYaml('.github/dependabot.yml') as { updates: readonly Update[] }
  const ignored = updates.find(update => update['package-ecosystem'] === 'npm')!.ignore!
  const names = (some: typeof ignored) => some.map(one => one['dependency-name']).sort()
  const development = Object.entries(manifest.devDependencies)
  const aliases = development.filter(([, range]) => range.startsWith('npm:')).map(([name]) => name)
  expect(names(ignored.filter(one => one['update-types'] === undefined))).toEqual(aliases.sort())
  expect(names(ignored).filter(name => manifest.devDependencies[name] === undefined)).toEqual([])
})

it('the form for bugs asks for each version that decides what works', () => {
  interface Form {
    readonly body: readonly { readonly id?: string; readonly validations?: { readonly required: boolean } }[]
  }
  const { body } = readYaml('.github/ISSUE_TEMPLATE/bug.yml') as Form
  const required = body.filter(({ validations }) => validations?.required).map(({ id }) => id)
  expect(required).toEqual(expect.arrayContaining(['version', 'node', 'peers', 'server']))
  expect(body.map(({ id }) => id)).toContain('doctor')
})

it('.github/ names only files of this repository that exist', () => {
  const files = readdirSync(`${ROOT}.github`, { recursive: true, encoding: 'utf8' }).filter(name =>
    /\.(yml|md)$/.test(name),
  )
  const text = files.map(name => read(`.github/${name}`)).join('\n')
  const named = [...text.matchAll(/\b((?:docs|test)\/[\w/-]+\.(?:md|ts)|[A-Z]{6,}\.md)/g)].map(
    ([path]) => path,
  )
  expect(named.length).toBeGreaterThan(3)
  expect(named.filter(path => !existsSync(ROOT + path))).toEqual([])
})

function read(path: string): string {
  return readFileSync(ROOT + path, 'utf8')
}

function readYaml(path: string): unknown {
  return parse(read(path))
}
