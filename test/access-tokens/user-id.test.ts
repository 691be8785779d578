import express from 'express'
import type { RequestHandler } from 'express'
import { ObjectId } from 'mongodb'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { createCustomUserData } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { createGuardedApp } from '../support/guarded-app.js'
import { onError } from '../support/http.js'
import { AUDIENCE, createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

/** What plain JavaScript passes, where types would refuse it. */
const wrong = (value: unknown) => value as never

const IDP = { issuer: 'https://idp.example.com', audience: AUDIENCE, algorithms: ['RS256' as const] }
const PREFIX = 'idp|'

const database = useDatabase({ ignoreUndefined: true })
let userData: ReturnType<typeof createTestUserData>
beforeAll(async () => {
  // Such a client turns { userId: undefined } into a filter that matches all documents.
  userData = createTestUserData(database, { trustedIssuers: [{ ...IDP, userIdPrefix: PREFIX }] })
})

const documents = () => database.db.collection('custom_user_data')

const NOT_A_USER_ID = [
  { what: 'undefined', value: undefined, given: 'undefined' },
  { what: 'null', value: null, given: 'null' },
  { what: 'an empty text', value: '', given: '""' },
  { what: 'a number', value: 7, given: '7' },
  { what: 'a query', value: { $ne: 1 }, given: 'an object' },
  { what: 'a list', value: ['alice'], given: 'a list' },
  { what: 'a text of 256 characters', value: 'x'.repeat(256), given: `"${'x'.repeat(60)}…"` },
  { what: 'half a character', value: 'bob\ud800', given: '"bob\\ud800"' },
  { what: 'a prefix without an id', value: PREFIX, given: '"idp|"' },
  { what: 'an id too long after its prefix', value: PREFIX + 'x'.repeat(256), given: undefined },
] as const

const REJECTING: Record<string, (id: unknown) => Promise<unknown>> = {
  sessions: id => userData.sessions(wrong(id)),
  disable: id => userData.disable(wrong(id)),
  enable: id => userData.enable(wrong(id)),
  deleteSessions: id => userData.deleteSessions(wrong(id)),
  issueTokens: id => userData.issueTokens(wrong(id)),
}
const THROWING: Record<string, (id: unknown) => unknown> = {
  invalidate: id => userData.invalidate(wrong(id)),
  forUser: id => userData.forUser(wrong(id)),
}

function messageFor(name: string, given: string | undefined): unknown {
  if (given === undefined) return expect.stringContaining(`${name}(): the user id must be a text`)
  return `${name}(): the user id must be a text of 1 to 255 characters (given: ${given}).`
}

describe.each(Object.entries(REJECTING))('%s()', (name, call) => {
  it.each(NOT_A_USER_ID)(
    'rejects with a TypeError that shows what was given: $what',
    async ({ value, given }) => {
      const failure = call(value)
      await expect(failure).rejects.toThrow(TypeError)
      await expect(failure).rejects.toMatchObject({ message: messageFor(name, given) })
    },
  )

  it('advises String(id) for an ObjectId', async () => {
    await expect(call(new ObjectId())).rejects.toThrow('(given: an ObjectId). Write String(id).')
    await expect(call({ _bsontype: 'ObjectId', id: Buffer.alloc(12) })).rejects.toThrow('Write String(id).')
  })
})

describe.each(Object.entries(THROWING))('%s()', (name, call) => {
  it.each(NOT_A_USER_ID)('throws a TypeError that shows what was given: $what', ({ value, given }) => {
    expect(() => call(value)).toThrow(TypeError)
    expect(() => call(value)).toThrow(expect.objectContaining({ message: messageFor(name, given) }))
  })

  it('advises String(id) for an ObjectId', () => {
    expect(() => call(new ObjectId())).toThrow('(given: an ObjectId). Write String(id).')
  })
})

describe('revoke()', () => {
  it.each(NOT_A_USER_ID)('rejects with a TypeError: $what', async ({ value }) => {
    await expect(userData.revoke(wrong(value))).rejects.toThrow(TypeError)
  })

  it('ends no session if it rejects', async () => {
    const { access_token: token } = await userData.issueTokens('not-revoked')
    await expect(userData.revoke(wrong({ userId: 'not-revoked' }))).rejects.toThrow(TypeError)
    await expect(userData.verifyToken(token)).resolves.toMatchObject({ id: 'not-revoked' })
    expect(await userData.sessions('not-revoked')).toHaveLength(1)
  })

  it('ends the session of a sid', async () => {
    await userData.issueTokens('revoked')
    const [session] = await userData.sessions('revoked')
    await userData.revoke({ sid: session!.sid })
    expect(await userData.sessions('revoked')).toEqual([])
  })
})

describe('a call that is refused', () => {
  it('deletes no document that has no user id', async () => {
    await documents().insertOne({ note: 'nobody’s' })
    expect(() => userData.forUser(wrong(undefined)).delete()).toThrow(TypeError)
    expect(await documents().countDocuments({ note: 'nobody’s' })).toBe(1)
  })

  it.each([undefined, { $ne: 1 }])('deletes nobody’s sessions: %j', async userId => {
    await userData.issueTokens('keeps-sessions')
    await expect(userData.deleteSessions(wrong(userId))).rejects.toThrow(TypeError)
    expect((await userData.sessions('keeps-sessions')).length).toBeGreaterThan(0)
  })
})

describe('a user id', () => {
  it('may have 255 characters, and 255 after the prefix of its issuer', async () => {
    const longest = 'x'.repeat(255)
    expect(await userData.sessions(longest)).toEqual([])
    expect(await userData.sessions(PREFIX + longest)).toEqual([])
  })

  it('may contain a NUL, which is compared like any other character', async () => {
    await documents().insertMany([
      { userId: 'a\0b', n: 1 },
      { userId: 'a', n: 2 },
      { userId: 'ab', n: 3 },
    ])
    const read = async (id: string) => (await userData.forUser(id).read())?.['n']
    expect([await read('a\0b'), await read('a'), await read('ab')]).toEqual([1, 2, 3])
    await userData.issueTokens('a\0b')
    expect(await userData.sessions('a\0b')).toHaveLength(1)
    expect(await userData.sessions('a')).toEqual([])
  })

  it('may have characters with two code units', async () => {
    await userData.issueTokens('bob 😀')
    expect(await userData.sessions('bob 😀')).toHaveLength(1)
  })
})

describe('a lone surrogate in a user id', () => {
  // MongoDB stores U+FFFD in its place, so the id would be another user's.
  const HALF = 'bob\ud800'

  it('is 401 in a token', async () => {
    await documents().insertOne({ userId: 'bob\ufffd', of: 'another user' })
    const app = createGuardedApp(userData)
    const token = forgeToken({ claims: validClaims(HALF) })
    const { status, body } = await request(app).get('/me').auth(token, { type: 'bearer' })
    expect([status, body.code]).toEqual([401, 'invalid_token'])
  })

  it('is 500 in the answer of verifyCredentials', async () => {
    const app = express().post(
      '/login',
      userData.login(() => ({ id: HALF })),
    )
    expect((await request(app).post('/login').send({ user: 'bob' })).status).toBe(500)
  })

  it('is 500 with a reason in the result of attach({ userId })', async () => {
    const theirs: RequestHandler = (req, _res, next) => {
      req.user = {} as Express.User
      next()
    }
    const errors: Error[] = []
    const app = express()
      .get('/', theirs, userData.attach({ userId: () => HALF, boundTo: () => 'session' }))
      .use(
        onError((error, res) => {
          errors.push(error)
          res.status(500).end()
        }),
      )
    await request(app).get('/').expect(500)
    expect(errors).toMatchObject([{ code: 'attach_misconfigured', status: 500 }])
    expect(errors[0]!.message).toContain('a text of 1 to 255 characters (given: a text)')
  })

  it('is refused in the prefix of an issuer', () => {
    expect(() =>
      createTestUserData(database, { trustedIssuers: [{ ...IDP, userIdPrefix: '\ud800|' }] }),
    ).toThrow('option "trustedIssuers.0.userIdPrefix"')
  })
})

describe('an instance that only accepts the tokens of others', () => {
  it('also checks the ids of its users', () => {
    const others = createCustomUserData({
      collection: database.db.collection('custom_user_data'),
      trustedIssuers: [{ ...IDP, userIdPrefix: '' }],
    })
    expect(() => others.forUser('x'.repeat(256))).toThrow(TypeError)
    expect(() => others.forUser('x'.repeat(255))).not.toThrow()
  })
})
