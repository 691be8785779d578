import express from 'express'
import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { newEmail, startEmailService } from '../support/email-service.js'
import { send } from '../support/members.js'
import { callStreaming } from '../support/event-stream.js'
import { sendOperation, startCollection } from '../support/own-collection.js'
import { APP_ID, startRealmService } from '../support/realm-service.js'

const database = useDatabase()
const PASSWORD = 'a long password'
const PROVIDERS = `/api/client/v2.0/app/${APP_ID}/auth/providers`

/** The body of a registration or login whose password has a byte that is not UTF-8. */
function bodyWithByte(name: string, email: string, byte: number): Uint8Array<ArrayBuffer> {
  const texts = [`{"${name}":"${email}","password":"abcdefg`, '"}'].map(text => Buffer.from(text))
  return new Uint8Array(Buffer.concat([texts[0] ?? '', Buffer.from([byte]), texts[1] ?? ''] as Uint8Array[]))
}

test.each(['alone', 'behind express.raw()'])(
  'a body that is not UTF-8 is refused, because all its passwords would be one (%s)',
  async place => {
    const { baseUrl } = await startEmailService(database, 'by mail', {
      before: app => {
        if (place !== 'alone') app.use(express.raw({ type: () => true }))
      },
    })
    const email = newEmail()
    const url = `${baseUrl}${PROVIDERS}/local-userpass/`
    const post = (route: string, body: Uint8Array<ArrayBuffer>) =>
      fetch(url + route, { method: 'POST', body })
    const answer = await post('register', bodyWithByte('email', email, 0xe4))
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ error_code: 'BadRequest' })
    expect((await post('login', bodyWithByte('username', email, 0xf6))).status).toBe(400)
  },
)

test('a payload of a custom function is always an object', async () => {
  const seen: unknown[] = []
  const { baseUrl, reports } = await startRealmService(database, {
    service: {
      providers: {
        customFunction: {
          handler: payload => {
            seen.push(payload)
            return 'somebody'
          },
          account: ({ name }) => name as string,
        },
      },
    },
  })
  const values = [
    ...[{ $undefined: true }, { $minKey: 1 }, { $numberInt: '1' }, { $date: 'x' }, { $code: 'x' }],
    ...[{ $oid: '5f0000000000000000000001' }, { $symbol: 'a' }, { $uuid: 'x' }, { $numberDecimal: 'x' }],
    { $binary: { base64: 'AA==', subType: '00' } },
    { $dbPointer: { $ref: 'a', $id: { $oid: '5f0000000000000000000001' } } },
    { $regularExpression: { pattern: 'a', options: '' } },
  ]
  const url = `${baseUrl}${PROVIDERS}/custom-function/login`
  for (const body of values)
    expect(await send('POST', url, { body }), JSON.stringify(body)).toMatchObject({
      status: 400,
      body: { error_code: 'BadBsonParse' },
    })
  expect(seen).toEqual([])
  expect(reports).toEqual([])
})

test('no address can be read as a list of addresses, or as the name of other attempts', async () => {
  const { post, appServices } = await startEmailService(database)
  const victim = newEmail()
  const odd = [
    ...[`reset:${victim}`, `confirm:${victim}`, `custom-function:${victim}`],
    ...[
      `${victim},root`,
      `Alice<${victim}>`,
      `${victim};a`,
      `"a b"${victim}`,
      `${victim}(a)`,
      `a\\${victim}`,
    ],
  ]
  for (const email of odd) {
    expect((await post('register', { email, password: PASSWORD })).status, email).toBe(400)
    await expect(appServices.addEmailAccount({ email })).rejects.toThrow('write an email address')
  }
  const fine = [`o'neil+tag.x_y-${victim}`, `ünïcode-${victim}`, `{a}|~!#$%&*/=?^\`${victim}`]
  for (const email of fine) expect((await post('register', { email, password: PASSWORD })).status).toBe(201)
})

test('a login under another name does not give mails of a reset back', async () => {
  const mails: string[] = []
  const { post } = await startEmailService(
    database,
    { autoConfirm: true, sendPasswordReset: ({ email }) => void mails.push(email) },
    { instance: { loginThrottle: { accountAndAddressFailures: 3 } } },
  )
  const victim = newEmail()
  await post('register', { email: victim, password: PASSWORD })
  await post('register', { email: `reset:${victim}`, password: PASSWORD })
  const sent: number[] = []
  for (let round = 0; round < 6; round++) {
    sent.push((await post('reset/send', { email: victim })).status)
    await post('login', { username: `reset:${victim}`, password: PASSWORD })
  }
  expect(sent).toEqual([202, 202, 202, 429, 429, 429])
})

test('addresses that differ in case and spaces around are one account, and others are not', async () => {
  const { post } = await startEmailService(database)
  const email = newEmail()
  await post('register', { email: `  ${email.toUpperCase()}\u00a0`, password: PASSWORD })
  expect((await post('register', { email, password: PASSWORD })).status).toBe(409)
  const others = [email.replace('user', 'u.ser'), `${email}.`, email.replace('user', 'uſer')]
  for (const username of others)
    expect((await post('login', { username, password: PASSWORD })).status, username).toBe(401)
})

test('odd values in any member of a body are errors of the client', async () => {
  const { post, reports } = await startEmailService(database)
  const odd = [
    ...['\0', 'a\0@b', '\ud800@b', 'constructor', '__proto__', 'a@b\r\nBcc: c@d', 'x'.repeat(200_000)],
    ...[{ $ne: 1 }, { $gt: '' }, { $oid: '5f0000000000000000000001' }, [], ['a@b'], 1, true],
  ]
  const email = newEmail()
  const routes: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    login: { username: email, password: PASSWORD },
    register: { email, password: PASSWORD },
    confirm: { token: 'a', tokenId: 'b' },
    'confirm/send': { email },
    'confirm/call': { email },
    reset: { token: 'a', tokenId: 'b', password: PASSWORD },
    'reset/send': { email },
    'reset/call': { email, password: PASSWORD, arguments: [] },
  }
  for (const [route, body] of Object.entries(routes))
    for (const name of Object.keys(body))
      for (const value of odd) {
        const { status } = await post(route, { ...body, [name]: value })
        // Many of them are passwords as any other.
        const isPassword = name === 'password' && route === 'register'
        if (isPassword) expect([201, 400, 409]).toContain(status)
        else expect([400, 401], `${route} ${name} ${JSON.stringify(value).slice(0, 40)}`).toContain(status)
      }
  expect(reports).toEqual([])
})

test('a device of any form logs in', async () => {
  const { baseUrl, reports } = await startRealmService(database)
  const devices = [
    ...['a', [], 7, { platform: { $ne: 1 } }, { deviceId: { $oid: '<>' } }, { deviceId: '\ud800' }],
    ...[{ platform: 'x'.repeat(300_000) }, { platform: 'a\0b\nc\ud800', platformVersion: '"' }],
  ]
  for (const device of devices) {
    const answer = await send('POST', `${baseUrl}${PROVIDERS}/anon-user/login`, {
      body: { options: { device } },
    })
    expect(answer.status).toBe(200)
    expect((answer.body as { device_id: string }).device_id).toMatch(/^[0-9a-f]{24}$/)
  }
  expect(reports).toEqual([])
})

test('odd Extended JSON in an operation is an error of the client, and its text is for the client', async () => {
  const { service, logIn } = await startCollection(database)
  const { user } = await logIn()
  await sendOperation(service, user, 'insertOne', { document: { a: 1 } })
  const objectId = { $oid: '5f0000000000000000000001' }
  const queries = [
    ...[{ a: { _bsontype: 'ObjectId' } }, { _bsontype: 'Code' }, { a: { $elemMatch: { $where: '1' } } }],
    ...[
      { a: { $code: 'x' } },
      { a: { $dbPointer: { $ref: 'b.c', $id: objectId } } },
      { a: { $symbol: 'b' } },
    ],
    ...[{ a: { $undefined: true } }, { a: { $uuid: 'z' } }, { a: { $regex: '(' } }, { a: { $minKey: 1 } }],
    ...[{ 'a\0b': 1 }, { a: '\ud800' }, { a: { $not: { $where: '1' } } }, { a: { $type: 99 } }],
    ...[{ $expr: { $divide: [1, 0] } }, { $comment: { a: 1 } }, { a: { $mod: [0, 0] } }],
  ]
  const updates = [
    ...[{ a: { _bsontype: 'ObjectId' } }, { $push: { a: { $each: [1], $sort: { _bsontype: 'X' } } } }],
    ...[
      { $bit: { a: { _bsontype: 'X' } } },
      { $set: { a: { $code: 'x' } } },
      { $mul: { a: 'x' } },
      { $min: {} },
    ],
  ]
  const filters = [{}, 'a', ['a'], [{ _bsontype: 'X' }], [{ 'x.a': { $where: '1' } }], [{ x: 1 }, { x: 1 }]]
  const operations = [
    ...queries.flatMap(query => [
      { name: 'find', args: { query } },
      { name: 'updateOne', args: { query, update: { b: 1 } } },
    ]),
    ...updates.map(update => ({ name: 'updateOne', args: { query: {}, update } })),
    ...filters.map(arrayFilters => ({
      name: 'updateOne',
      args: { query: {}, update: { $set: { 'c.$[x]': 1 } }, arrayFilters },
    })),
  ]
  for (const { name, args } of operations) {
    const { status, body } = await sendOperation(service, user, name, args)
    expect(status, JSON.stringify(args)).toBeLessThan(500)
    expect(JSON.stringify(body)).not.toContain('node_modules')
  }
  expect(service.reports).toEqual([])
})

test('values with line breaks and percent signs make no events of their own', async () => {
  const text = 'one\r\n\r\nevent: error\r\ndata: {"error":"forged"}\n\n%0A%25\u2028'
  const { newClient } = await startRealmService(database, {
    service: { functions: { lines: () => [text, { [text]: text }] } },
  })
  const user = await newClient().logIn(Credentials.anonymous())
  const seen: unknown[] = []
  for await (const event of await callStreaming(user, 'lines')) seen.push(event)
  expect(seen).toEqual([
    { type: 'message', value: text },
    { type: 'message', value: { [text]: text } },
  ])
})

test('a member that the driver takes for the type of a value is refused in every body', async () => {
  const { baseUrl, newClient, reports } = await startRealmService(database, {
    service: { functions: { echo: (_context, ...args) => args } },
  })
  const user = await newClient().logIn(Credentials.anonymous())
  const url = `${baseUrl}/api/client/v2.0/app/${APP_ID}/functions/call`
  const body = { name: 'echo', arguments: [[{ a: { _bsontype: 'ObjectId' } }]] }
  const stream = Buffer.from(JSON.stringify(body)).toString('base64')
  const options = { token: user.accessToken ?? '' }
  const answers = [
    await send('POST', url, { ...options, body }),
    await send('GET', `${url}?baas_request=${encodeURIComponent(stream)}`, options),
  ]
  for (const answer of answers)
    expect(answer).toMatchObject({ status: 400, body: { error_code: 'BadRequest' } })
  expect(reports).toEqual([])
})
