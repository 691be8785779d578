import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openNamedDatabase, runScript } from '../support/run-example.js'
import type { CleanUp } from '../support/database.js'
import type { RunningExample } from '../support/run-example.js'
import { AUDIENCE, forgeToken, ISSUER, SECRET, validClaims } from '../support/user-data.js'
import { ask } from '../support/ask.js'
import { ROUTES } from './guarded-app.js'

describe.each(['zone.js', 'bluebird', 'a subclass'])('if the global Promise is replaced by %s,', name => {
  let server: RunningExample
  let origin: string
  beforeAll(async () => {
    const cleanUps: Parameters<CleanUp>[0][] = []
    const { uri, db } = await openNamedDatabase(cleanUp => cleanUps.push(cleanUp))
    await db.collection('custom_user_data').insertOne({ userId: 'alice', plan: 'gold' })
    const environment = { MONGODB_URI: uri, SECRET, ISSUER, AUDIENCE }
    server = runScript('test/replaced-globals/serve.ts', [name], environment, cleanUp =>
      cleanUps.push(cleanUp),
    )
    origin = await server.listening()
    return async () => {
      for (const cleanUp of cleanUps.reverse()) await cleanUp()
    }
  })

  it.each(ROUTES)('%s refuses an invalid token with 401, and the process keeps running', async route => {
    onTestFinished(() =>
      expect([server.process.exitCode, server.output()]).toEqual([null, expect.any(String)]),
    )
    for (let turn = 0; turn < 2; turn++) expect((await ask(origin, route, 'abc')).status).toBe(401)
    const forged = forgeToken({ secret: 'another secret, of 32 bytes or more' })
    expect((await ask(origin, route, forged)).status).toBe(401)
  })

  it.each(ROUTES)(
    '%s accepts a valid token, both when it loads the data and when the snapshot is cached',
    async route => {
      const token = forgeToken({ claims: validClaims('alice') })
      for (const turn of ['loaded', 'cached']) {
        const { status, body } = await ask(origin, route, token)
        expect([status, body], turn).toEqual([200, expect.stringContaining('gold')])
        expect(JSON.parse(body), turn).toMatchObject({ id: 'alice', customData: { plan: 'gold' } })
      }
    },
  )
})
