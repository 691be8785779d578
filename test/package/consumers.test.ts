import * as everything from 'express-custom-user-data'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { openDatabase } from '../support/database.js'
import { openWorkshop } from './workshop.js'
import type { Consumer, Outcome, Workshop } from './workshop.js'

// Compilers and package managers are slow, especially on a busy machine.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const COMPILERS = ['5.9', '6.0', '7.0'] as const
/** The oldest compiler that reads the declarations. TypeScript 6 has no `moduleResolution: node` without a warning. */
const OLD_COMPILERS = ['4.7', '5.9'] as const
/** The compiler whose messages the comments in the refused files quote. */
const QUOTED_COMPILER = '7.0'
const SUCCESS: Outcome = { exitCode: 0, output: '', errors: '' }

describe('the packed tarball', () => {
  let workshop: Workshop
  beforeAll(async () => {
    workshop = await openWorkshop(['4.7', ...COMPILERS])
  })
  afterAll(() => workshop.close())

  describe('in an ESM app on Express 5 and mongodb 7', () => {
    const consumer = useConsumer('esm')

    it('can be imported, with the names that the sources export', async () => {
      expect(await consumer().runSource('exports.js')).toEqual({ ...SUCCESS, output: exportNames() })
    })

    it('can be imported and required at once, as one copy', async () => {
      expect(await consumer().runSource('one-copy.js')).toMatchObject({ exitCode: 0, errors: '' })
    })

    it.concurrent.for(COMPILERS)(
      'types the global req.user with TypeScript %s, and runs',
      compileAndRun(consumer),
    )

    it('has each line of refused.ts refused, for the reason that is written above it', async () => {
      await expectRefusals(consumer())
    })
  })

  describe('in a CommonJS app on Express 4.18 and mongodb 6.13', () => {
    const consumer = useConsumer('commonjs')

    it('can be required without a warning, with the names that the sources export', async () => {
      expect(await consumer().runSource('exports.js')).toEqual({ ...SUCCESS, output: exportNames() })
    })

    it.concurrent.for(COMPILERS)(
      'types user(req) by the collection with TypeScript %s, and runs',
      compileAndRun(consumer),
    )
  })

  describe('in an app with moduleResolution node and a type of its own for req.user', () => {
    const consumer = useConsumer('own-user')

    it.concurrent.for(OLD_COMPILERS)(
      'leaves that type alone with TypeScript %s, and runs',
      async compiler => {
        const { output } = await consumer().compile(compiler)
        // TypeScript 4.7 does not understand all of @types/node 20.
        expect(
          output.split('\n').filter(line => line && !line.startsWith('node_modules/@types/node/')),
        ).toEqual([])
        await expectToRun(env => consumer().run(compiler, 'main.js', env))
      },
    )
  })

  describe('in a CommonJS app, without a line of configuration', () => {
    const consumer = useConsumer('runners')

    it.for([
      ['Jest 28', 'jest-28/bin/jest.js', ['jest.test.js']],
      ['Jest 29', 'jest/bin/jest.js', ['jest.test.js']],
      ['Jest 30', 'jest-30/bin/jest.js', ['jest.test.js']],
      ['ts-jest', 'jest/bin/jest.js', ['--preset=ts-jest', 'ts-jest.test.ts']],
      ['Vitest', 'vitest/vitest.mjs', ['run', 'vitest.test.mjs']],
      ["ESLint's import/no-unresolved", 'eslint/bin/eslint.js', ['app.js', 'reports.js', 'imports.mjs']],
    ] as const)('passes in %s', async ([, program, args]) => {
      await expectToPass(env => consumer().runSource(`node_modules/${program}`, args, env))
    })

    it('passes in node:test', async () => {
      await expectToPass(env => consumer().runSource('--test', ['node.test.mjs'], env))
    })
  })

  describe('in an app that gives a zod schema', () => {
    const consumer = useConsumer('standard-schema')

    it.concurrent.for(COMPILERS)(
      'types user(req) by the schema with TypeScript %s, and runs',
      compileAndRun(consumer),
    )

    it('has each line of refused.ts refused, for the reason that is written above it', async () => {
      await expectRefusals(consumer())
    })
  })

  describe('in an app whose mongoose brings another driver than the one beside the package', () => {
    const consumer = useConsumer('mongoose')

    it.concurrent.for(COMPILERS)(
      'takes collections of mongoose with TypeScript %s, and runs',
      compileAndRun(consumer),
    )
  })

  describe('in an app with any version of the types of Node', () => {
    const consumer = useConsumer('node-types')

    it.each(['20', '22', '24', '25', '26'])(
      'compiles with @types/node %s, its declarations included',
      async version => {
        await consumer().replaceModule('@types/node', `node-types-${version}`)
        expect(await consumer().compile(QUOTED_COMPILER)).toEqual(SUCCESS)
      },
    )
  })

  function useConsumer(name: string): () => Consumer {
    let consumer: Consumer
    beforeAll(async () => {
      consumer = await workshop.createConsumer(name)
    })
    return () => consumer
  }
})

/** Compiles a program and runs it. A program that does not end within the time limit has failed, too. */
function compileAndRun(consumer: () => Consumer): (compiler: string) => Promise<void> {
  return async compiler => {
    expect(await consumer().compile(compiler)).toEqual(SUCCESS)
    await expectToRun(env => consumer().run(compiler, 'main.js', env))
  }
}

type Env = Readonly<Record<string, string>>

/** Runs a program with a database of its own. It must print nothing. */
async function expectToRun(run: (env: Env) => Promise<Outcome>): Promise<void> {
  expect(await runWithDatabase(run)).toEqual(SUCCESS)
}

/** Runs a program that prints what it has tested. */
async function expectToPass(run: (env: Env) => Promise<Outcome>): Promise<void> {
  const { exitCode, output, errors } = await runWithDatabase(run)
  expect(exitCode, output + errors).toBe(0)
}

async function runWithDatabase(run: (env: Env) => Promise<Outcome>): Promise<Outcome> {
  const database = await openDatabase()
  try {
    return await run({ MONGODB_URI: inject('mongoUri'), MONGODB_DATABASE: database.db.databaseName })
  } finally {
    await database.close()
  }
}

/** Removes `@ts-expect-error`, which accepts any error, and compares each error with the comment above its line. */
async function expectRefusals(consumer: Consumer): Promise<void> {
  const lines = (await consumer.read('refused.ts')).split('\n')
  await consumer.write('refused.ts', lines.join('\n').replaceAll('@ts-expect-error', ''))
  const { output } = await consumer.compile(QUOTED_COMPILER)
  const refusals = output.split(/^(?=\S+\(\d+,\d+\): error )/m).map(toRefusal)
  const expected = lines.flatMap((line, index) => {
    const [, reason] = line.split('// @ts-expect-error ')
    return reason === undefined
      ? []
      : [{ line: index + 2, reason: expect.stringContaining(reason) as string }]
  })
  expect(refusals).toEqual(expected)
}

function toRefusal(diagnostic: string): { line: number; reason: string } {
  return { line: Number(/\((\d+),/.exec(diagnostic)?.[1]), reason: diagnostic }
}

function exportNames(): string {
  return `${Object.keys(everything).sort().join(' ')}\n`
}
