import * as everything from 'express-custom-user-data'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { openDatabase } from '../support/database.js'
import { openWorkshop } from './workshop.js'
import type { Consumer, Outcome, Workshop } from './workshop.js'

// Compilers and package managers are slow, especially on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const COMPILERS = ['5.9', '6.0', '7.0'] as const
/** The compiler whose messages the comments in the refused files quote. */
const QUOTED_COMPILER = '7.0'
const SUCCESS: Outcome = { exitCode: 0, output: '', errors: '' }

describe('the packed tarball', () => {
  let workshop: Workshop
  beforeAll(async () => {
    workshop = await openWorkshop(COMPILERS)
  })
  afterAll(() => workshop.close())

  describe('in an ESM app on Express 5 and mongodb 7', () => {
    const consumer = useConsumer('esm')

    it('can be imported, with the names that the sources export', async () => {
      expect(await consumer().runSource('exports.js')).toEqual({ ...SUCCESS, output: exportNames() })
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
      'types user(req) by parameter with TypeScript %s, and runs',
      compileAndRun(consumer),
    )
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
    const database = await openDatabase()
    const env = { MONGODB_URI: inject('mongoUri'), MONGODB_DATABASE: database.db.databaseName }
    const outcome = await consumer().run(compiler, 'main.js', env)
    await database.close()
    expect(outcome).toEqual(SUCCESS)
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
