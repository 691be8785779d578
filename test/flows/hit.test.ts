import { IncomingMessage } from 'node:http'
import { createHook } from 'node:async_hooks'
import type { Request, Response } from 'express'
import { Passport } from 'passport'
import type { CustomUserData } from 'express-custom-user-data'
import { beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

/** Until then each request has a hidden class of its own: see hidden-classes.ts. */
const V8_MAJOR = Number.parseInt(process.versions.v8, 10)

/** A response that no test uses. */
const NO_RESPONSE = Object.freeze(Object.create(null)) as Response

const database = useDatabase()
let userData: CustomUserData<Readonly<Record<string, unknown>>>
let token: string
let clockReads: string[]
beforeEach(async () => {
  clockReads = []
  userData = createTestUserData(database, { clock: recordReads(clockReads) })
  token = (await userData.issueTokens('alice')).access_token
})

function recordReads(reads: string[]) {
  const clock = createManualClock()
  return {
    now: () => (reads.push('now'), clock.now()),
    monotonic: () => (reads.push('monotonic'), clock.monotonic()),
  }
}

/** A request that notes what is read of it and written to it. */
function createRequest(): { req: Request; touched: string[] } {
  const touched: string[] = []
  const authorization = `Bearer ${token}`
  const headers = { host: 'localhost', authorization, accept: '*/*' }
  const rawHeaders = ['Host', 'localhost', 'Authorization', authorization, 'Accept', '*/*']
  const req = new Proxy({ headers, rawHeaders } as unknown as Request, {
    get: (target, name) => (touched.push(`get ${String(name)}`), Reflect.get(target, name) as unknown),
    set: (target, name, value) => (touched.push(`set ${String(name)}`), Reflect.set(target, name, value)),
    deleteProperty: (target, name) => (
      touched.push(`delete ${String(name)}`),
      Reflect.deleteProperty(target, name)
    ),
    has: (target, name) => (touched.push(`has ${String(name)}`), Reflect.has(target, name)),
    defineProperty: (target, name, descriptor) => (
      touched.push(`define ${String(name)}`),
      Reflect.defineProperty(target, name, descriptor)
    ),
  })
  return { req, touched }
}

/** Promises, timers and handles that come into being while something runs. */
function countAsync(run: () => void): number {
  let made = 0
  const hook = createHook({ init: () => made++ }).enable()
  run()
  hook.disable()
  return made
}

describe('a request with a cached token', () => {
  it('reads its headers and raw headers once, and adds only the property user, which it reads back once', () => {
    const { req, touched } = createRequest()
    let passed = 0
    userData.authenticate()(req, NO_RESPONSE, () => passed++)
    expect(passed).toBe(1)
    const prepared = ['has user', 'set user', 'delete user']
    expect(touched).toEqual([
      ...['get headers', 'get rawHeaders'],
      ...(V8_MAJOR < 13 ? prepared : []),
      // A setter that ignores the value would leave another user there.
      ...['set user', 'get user'],
    ])
    expect(req.user).toEqual({ id: 'alice', customData: {}, claims: expect.any(Object) })
  })

  it('reads each clock once, and sends nothing to MongoDB', () => {
    const guard = userData.authenticate()
    database.commands.clear()
    clockReads.length = 0
    guard(createRequest().req, NO_RESPONSE, () => undefined)
    expect(clockReads.sort()).toEqual(['monotonic', 'now'])
    expect(database.commands).toHaveLength(0)
  })

  it('is answered in the same turn, without a promise or a timer', () => {
    const guard = userData.authenticate()
    const { req } = createRequest()
    const order: string[] = []
    const made = countAsync(() => {
      guard(req, NO_RESPONSE, () => order.push('next'))
      order.push('returned')
    })
    expect({ order, made }).toEqual({ order: ['next', 'returned'], made: 0 })
  })

  it('gets its own user object with the data that all requests share', () => {
    const guard = userData.authenticate()
    const [one, other] = [createRequest().req, createRequest().req]
    for (const req of [one, other]) guard(req, NO_RESPONSE, () => undefined)
    expect(one.user).not.toBe(other.user)
    expect(one.user?.customData).toBe(other.user?.customData)
    expect(one.user?.claims).toBe(other.user?.claims)
  })

  it('is also answered in the same turn inside passport', () => {
    const passport = new Passport()
    passport.use(userData.strategy())
    const { req } = createRequest()
    const guard = passport.authenticate('custom-user-data', { session: false }) as (
      ...args: unknown[]
    ) => void
    // Passport 0.4 gives this method to Node's own class.
    Object.assign(req, { logIn: Reflect.get(IncomingMessage.prototype, 'logIn') as unknown })
    let passed = 0
    const made = countAsync(() => guard(req, {}, () => passed++))
    expect({ passed, made }).toEqual({ passed: 1, made: 0 })
    expect(req.user).toMatchObject({ id: 'alice' })
  })

  it.each([
    ['Bearer  ', ''],
    ['bearer ', ''],
    ['BEARER   ', ''],
  ])('may write its scheme as %j', (start, end) => {
    const { req } = createRequest()
    req.headers.authorization = `${start}${token}${end}`
    const answers: unknown[] = []
    userData.authenticate()(req, NO_RESPONSE, error => answers.push(error))
    expect(answers).toEqual([undefined])
  })

  it.each([' ', '=', ' junk', ', Bearer x', '\t', '.'])('is refused with %j after its token', async end => {
    const { req } = createRequest()
    req.headers.authorization = `Bearer ${token}${end}`
    const answers: unknown[] = []
    userData.authenticate()(req, NO_RESPONSE, error => answers.push(error))
    await expect
      .poll(() => answers)
      .toMatchObject([{ status: expect.toSatisfy(status => [400, 401].includes(status as number)) }])
    expect(req.user).toBeUndefined()
  })
})
