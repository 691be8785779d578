import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import vm from 'node:vm'
import express from 'express'
import { Passport } from 'passport'
import passportJwt from 'passport-jwt'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { serve } from '../support/http-server.js'
import type { TestServer } from '../support/http-server.js'
import { AUDIENCE, forgeToken, ISSUER, SECRET, validClaims } from '../support/user-data.js'
import { ask } from '../support/ask.js'
import { createApp, ROUTES } from './guarded-app.js'
import type { Libraries } from './guarded-app.js'

const requireOutside = createRequire(import.meta.url)

/** What Jest hands into the context of a test file; Promise, Error, Date and the like are the context's own. */
function createContext(): vm.Context {
  const { process, Buffer, URL, URLSearchParams, AbortController, AbortSignal, performance } = globalThis
  const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = globalThis
  const { TextEncoder, TextDecoder, structuredClone, queueMicrotask, fetch, console } = globalThis
  return vm.createContext({
    ...{ process, Buffer, URL, URLSearchParams, AbortController, AbortSignal, performance },
    ...{ setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate },
    ...{ TextEncoder, TextDecoder, structuredClone, queueMicrotask, fetch, console },
  })
}

/** Loads this package's source as CommonJS inside a context, and all that it depends on outside, as Jest does. */
function loadInside(context: vm.Context): Pick<Libraries, 'createCustomUserData'> {
  const modules = new Map<string, object>()
  function load(path: string): object {
    const known = modules.get(path)
    if (known) return known
    const module = { exports: {} }
    modules.set(path, module.exports)
    const options = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true }
    const { outputText } = ts.transpileModule(readFileSync(path, 'utf8'), { compilerOptions: options })
    // CommonJS has no `import.meta`.
    const source = outputText.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
    const names = ['exports', 'require', 'module']
    // Another name than the source's: the coverage of this form would be taken for that of the source, and spoil it.
    const filename = path.replace(/\.ts$/, '.cjs')
    const run = vm.compileFunction(source, names, { parsingContext: context, filename }) as (
      exports: object,
      require: (name: string) => unknown,
      module: object,
    ) => void
    run(
      module.exports,
      name =>
        name.startsWith('.')
          ? load(resolve(dirname(path), name.replace(/\.js$/, '.ts')))
          : requireOutside(name),
      module,
    )
    return module.exports
  }
  return load(fileURLToPath(new URL('../../lib/index.ts', import.meta.url))) as Libraries
}

describe('if this package runs in a vm context and the driver runs outside it,', () => {
  const database = useDatabase()
  let server: TestServer
  beforeAll(async () => {
    const collection = database.db.collection('custom_user_data')
    await collection.insertOne({ userId: 'alice', plan: 'gold' })
    const { createCustomUserData } = loadInside(createContext())
    const libraries = { express, Passport, passportJwt, createCustomUserData }
    const settings = { collection, secret: SECRET, issuer: ISSUER, audience: AUDIENCE }
    server = await serve(createApp(libraries, settings))
  })
  afterAll(async () => {
    await server.close()
  })

  it.each(ROUTES)('%s refuses an invalid token with 401', async route => {
    for (let turn = 0; turn < 2; turn++) expect((await ask(server.origin, route, 'abc')).status).toBe(401)
  })

  it.each(ROUTES)(
    '%s accepts a valid token, both when it loads the data and when the snapshot is cached',
    async route => {
      const token = forgeToken({ claims: validClaims('alice') })
      for (const turn of ['loaded', 'cached']) {
        const { status, body } = await ask(server.origin, route, token)
        expect([status, body], turn).toEqual([200, expect.stringContaining('gold')])
      }
    },
  )
})
