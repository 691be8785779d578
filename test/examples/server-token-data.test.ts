import { Int32 } from 'mongodb'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { runExample } from '../support/run-example.js'
import { getMe, logIn, MAIN, startServer } from './server-requests.js'

const ACCESS_TOKEN_SECRET = 'a secret of the tests, 32 bytes or more'

function userDataIn(accessToken: string): unknown {
  const claims = JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString()) as object
  return 'user_data' in claims ? claims.user_data : undefined
}

describe('USER_DATA_IN_TOKEN of the server example', () => {
  it('is off by default', async () => {
    const { url } = await startServer()
    expect(userDataIn((await logIn(url, 'bob@example.com')).access_token)).toBeUndefined()
  })

  it.each([
    ['relaxed', { language: 'fr', role: 'admin', visits: 7 }],
    ['canonical', { language: 'fr', role: 'admin', visits: { $numberInt: '7' } }],
  ])('puts the document into access tokens if it is %s', async (USER_DATA_IN_TOKEN, expected) => {
    const { url, db } = await startServer({ USER_DATA_IN_TOKEN })
    await db.collection('custom_user_data').updateOne({ role: 'admin' }, { $set: { visits: new Int32(7) } })
    const { access_token } = await logIn(url, 'bob@example.com')
    expect(userDataIn(access_token)).toMatchObject(expected)
  })

  it('lets another server answer from the token, and the metrics count this', async () => {
    // The login writes its time after the answer, which would change the document.
    const env = { USER_DATA_IN_TOKEN: 'relaxed', ACCESS_TOKEN_SECRET, CHANGE_STREAM: 'off' }
    const { url, uri, db } = await startServer(env)
    const bob = await logIn(url, 'bob@example.com')
    const other = await startServer({ ...env, MONGODB_URI: uri })
    await db.collection('custom_user_data').updateOne({ role: 'admin' }, { $set: { language: 'de' } })
    const me = await getMe(other.url, bob.access_token)
    expect(me.body).toMatchObject({ id: bob.user.id, customData: { language: 'fr' } })
    const { text } = await request(other.url).get('/metrics')
    expect(text).toContain('custom_user_data_claim_snapshots_total 1\n')
    expect(text).toContain('custom_user_data_loads_total 0\n')
  })

  it('logs that a document is too large for a token, and the document is still served', async () => {
    const { url, db, example } = await startServer({ USER_DATA_IN_TOKEN: 'relaxed' })
    await db.collection('custom_user_data').updateOne({ role: 'admin' }, { $set: { bio: 'x'.repeat(8_000) } })
    const bob = await logIn(url, 'bob@example.com')
    expect(userDataIn(bob.access_token)).toBeUndefined()
    expect((await getMe(url, bob.access_token)).body).toMatchObject({ customData: { language: 'fr' } })
    await example.printed(new RegExp(`user ${bob.user.id} does not go into the access token: too_large`))
  })

  it('accepts only its three values', async () => {
    const example = runExample(MAIN, { USER_DATA_IN_TOKEN: 'yes' })
    expect((await example.ended()).exitCode).toBe(1)
    expect(example.output()).toContain('  USER_DATA_IN_TOKEN: write off, relaxed or canonical')
  })
})

describe('GET /metrics of the server example', () => {
  it('answers with the counters in the text format of Prometheus', async () => {
    const { url } = await startServer({ CHANGE_STREAM: 'off' })
    const { access_token } = await logIn(url, 'bob@example.com')
    for (let n = 0; n < 3; n++) await getMe(url, access_token)
    await request(url).get('/me').expect(401)
    const { text, headers } = await request(url).get('/metrics').expect(200)
    expect(headers['content-type']).toContain('text/plain; version=0.0.4')
    expect(text.split('\n')).toEqual(
      expect.arrayContaining([
        '# TYPE custom_user_data_hits_total counter',
        'custom_user_data_hits_total 3',
        // One load of the login, and one of its hook, by forUser().
        'custom_user_data_loads_total 2',
        '# TYPE custom_user_data_cached gauge',
        'custom_user_data_cached 1',
        'custom_user_data_refused_total{code="missing_token"} 1',
        'custom_user_data_operations_total{operation="login",outcome="ok"} 1',
        'custom_user_data_events_total{event="login"} 1',
        'custom_user_data_events_total{event="login_refused"} 0',
      ]),
    )
    for (const line of text.split('\n'))
      expect(line).toMatch(/^(# TYPE \w+ (counter|gauge)|\w+(\{\w+="\w+"(,\w+="\w+")?\})? [\d.e+-]+|)$/)
  })
})
