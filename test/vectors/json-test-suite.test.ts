import { createHmac } from 'node:crypto'
import express from 'express'
import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { createGuardedApp, serve } from '../support/http-server.js'
import type { TestServer } from '../support/http-server.js'
import { startIssuer } from '../support/key-server.js'
import { createTestUserData, KID, SECRET, validClaims } from '../support/user-data.js'
import { describeVectors, listVectors, readVector } from '../support/vectors.js'

const FOLDER = 'jsontestsuite/test_parsing'
/** Room for the longest file in base64. By default Node answers 431 to headers of more than 16 kB, so the guard would not see them. */
const MAX_HEADER_BYTES = 512 * 1024
const HEADER = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'at+jwt', kid: KID }))

describeVectors('JSONTestSuite: 318 files in each place where JSON is read', () => {
  const files = listVectors(FOLDER)
  const database = useDatabase()
  let server: TestServer
  let logins: unknown[]
  beforeAll(async () => {
    await createTestUserData(database).ready()
  })

  beforeEach(async () => {
    logins = []
    const userData = createTestUserData(database)
    const app = express()
    app.post(
      '/login',
      userData.login(credentials => {
        // Express parses an empty body as an empty object, which contains no credentials.
        if (Object.keys(credentials).length === 0) return null
        logins.push(credentials)
        return { id: 'alice' }
      }),
    )
    app.use(createGuardedApp(userData))
    server = await serve(app, { maxHeaderSize: MAX_HEADER_BYTES })
  })
  afterEach(() => server.close())

  it('has 95 files that must be accepted, 188 that must be refused and 35 that may be either', () => {
    const countOf = (kind: string) => files.filter(file => file.startsWith(kind)).length
    expect([countOf('y_'), countOf('n_'), countOf('i_'), files.length]).toEqual([95, 188, 35, 318])
  })

  it('none of the files is accepted as a payload, even with a valid signature', async () => {
    const token = (bytes: Buffer) => sign(HEADER, bytes)
    expect(await statusOf(sign(HEADER, Buffer.from(JSON.stringify(validClaims()))))).toBe(200)
    expect(await statusesOf(token)).toEqual(files.map(() => 401))
  })

  it('none of the files is accepted as a header, even with a valid signature', async () => {
    const claims = Buffer.from(JSON.stringify(validClaims()))
    expect(await statusesOf(bytes => sign(bytes, claims))).toEqual(files.map(() => 401))
  })

  it('as the body of a login, invalid files are refused and never cause a 5xx', async () => {
    const refused: string[] = []
    for (const file of files) {
      const status = await login(readVector(`${FOLDER}/${file}`))
      expect([200, 400, 401, 413], file).toContain(status)
      if (status !== 200) refused.push(file)
    }
    expect(files.filter(file => file.startsWith('n_') && !refused.includes(file))).toEqual([])
    // Every accepted body is an object of scalars.
    expect(logins).toHaveLength(files.length - refused.length)
    for (const fields of logins) {
      expect(
        Object.values(fields as object).every(value => value === null || typeof value !== 'object'),
      ).toBe(true)
    }
  })

  it('none of the files is accepted as a key set, and the previous key set is kept after each', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const clock = createManualClock()
    const issuer = await startIssuer()
    const userData = createTestUserData(database, { trustedIssuers: [issuer.option()], clock })
    const app = await serve(createGuardedApp(userData))
    let failures = 0
    const failed = () =>
      new Promise<void>(resolve =>
        userData.events.once('key_set_failed', () => {
          failures++
          resolve()
        }),
      )
    expect(await statusOf(issuer.token(validTimes(clock.now())), app)).toBe(200)

    for (const file of files) {
      issuer.server.answerBy((_req, res) => res.end(readVector(`${FOLDER}/${file}`)))
      clock.advance(30_000)
      const failure = failed()
      vi.advanceTimersByTime(10 * 60 * 1000)
      await failure
      expect(await statusOf(issuer.token(validTimes(clock.now())), app), file).toBe(200)
    }
    expect(failures).toBe(318)
    expect(issuer.server.hits).toHaveLength(1 + 318)
    await userData.close()
    await app.close()
    await issuer.server.close()
    vi.useRealTimers()
  })

  async function statusesOf(toToken: (bytes: Buffer) => string): Promise<number[]> {
    const statuses: number[] = []
    for (const file of files) statuses.push(await statusOf(toToken(readVector(`${FOLDER}/${file}`))))
    return statuses
  }

  async function statusOf(token: string, { origin } = server): Promise<number> {
    const response = await fetch(`${origin}/me`, { headers: { authorization: `Bearer ${token}` } })
    await response.arrayBuffer()
    return response.status
  }

  async function login(body: Buffer): Promise<number> {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${server.origin}/login`, { method: 'POST', headers, body })
    await response.arrayBuffer()
    return response.status
  }
})

function sign(header: Buffer, payload: Buffer): string {
  const input = `${header.toString('base64url')}.${payload.toString('base64url')}`
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`
}

function validTimes(nowMs: number): Record<string, unknown> {
  const iat = Math.floor(nowMs / 1000)
  return { iat, exp: iat + 1800 }
}
