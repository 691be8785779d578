import { expect, it } from 'vitest'
import { secretsOf } from '../../lib/util/request-secrets.js'

it('the secrets of a request are its tokens, cookies and credentials, and not its other values', () => {
  const req = {
    headers: {
      authorization: 'Bearer access-token',
      cookie: 'sid=session-cookie; express=s%3Asigned.cookie; bad=%E0%A4%A-bad; theme=dark',
      'x-api-key': 'key',
      host: 'api.example.com',
    },
    originalUrl: '/path?access_token=query-token&page=2',
    params: { token: 'path-token', team: 'blue' },
    body: { password: 'field', language: 'en' },
    sessionID: 'session-id',
  }
  const secrets = secretsOf(req)
  for (const secret of [
    'access-token',
    'session-cookie',
    's:signed.cookie',
    '%E0%A4%A-bad',
    'key',
    'query-token',
    'path-token',
    'field',
    'session-id',
  ]) {
    expect(secrets).toContain(secret)
  }
  for (const other of ['Bearer', 'dark', 'api.example.com', '2', 'blue', 'en']) {
    expect(secrets).not.toContain(other)
  }
})

it('each text in the credentials of a login is a secret, and so are user and password of Basic', () => {
  expect(secretsOf({}, [], { email: 'alice', pin: 1, list: ['a'] })).toEqual(
    expect.arrayContaining(['alice', '1', 'a']),
  )
  const authorization = `Basic ${Buffer.from('alice:pw').toString('base64')}`
  expect(secretsOf({ headers: { authorization } })).toEqual(expect.arrayContaining(['alice', 'pw']))
})

it('a parameter or field in which the team puts tokens is a secret under any name', () => {
  expect(secretsOf({ originalUrl: '/?t=a-token' }, ['t'])).toContain('a-token')
})
