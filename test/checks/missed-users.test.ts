import { ObjectId } from 'mongodb'
import type { Collection, Document } from 'mongodb'
import { beforeEach, describe, expect, it } from 'vitest'
import { createCustomUserData } from 'express-custom-user-data'
import type { CustomUserDataOptions, WarningEvent } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { loadCustomData } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

const HEX = '64b7f3a1c2d4e5f601234567'
const IDP = 'https://idp.example.com/'

const database = useDatabase()
let collection: Collection
let collections = 0
beforeEach(() => {
  collection = database.db.collection(`documents_${++collections}`)
})

async function start(documents: Document[], options: Partial<CustomUserDataOptions<Document>> = {}) {
  if (documents.length > 0) await collection.insertMany(documents)
  const userData = createTestUserData(database, { collection, ...options })
  await userData.ready()
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  database.commands.clear()
  return { userData, warnings }
}

type UserData = Awaited<ReturnType<typeof start>>['userData']

/** Loads the data of users one after the other, each with a new token. */
async function load(userData: UserData, ...ids: string[]): Promise<void> {
  for (const id of ids) expect(await loadCustomData(userData, id)).toEqual({})
}

/** The looks in the background end with this one: a user whose id is written in capitals is found. */
async function settle({ userData, warnings }: Awaited<ReturnType<typeof start>>): Promise<WarningEvent[]> {
  await collection.insertOne({ userId: 'the-last-user' })
  await load(userData, 'THE-LAST-USER')
  await expect.poll(() => warnings.at(-1)?.userId, { timeout: 10_000 }).toBe('THE-LAST-USER')
  return warnings.slice(0, -1)
}

describe('the first user whose id is written in another way than in the documents causes a warning', () => {
  it.each<[string, string, unknown, string]>([
    [
      'an ObjectId in capitals',
      HEX.toUpperCase(),
      new ObjectId(HEX),
      `has "${HEX}", which differs only in capital`,
    ],
    [
      'an e-mail address in capitals',
      'Alice@Example.com',
      'alice@example.com',
      'has "alice@example.com", which',
    ],
  ])('%s', async (_what, id, stored, named) => {
    const { userData, warnings } = await start([{ userId: stored }])
    await load(userData, id, `${id}X`)
    await expect
      .poll(() => warnings, { timeout: 10_000 })
      .toMatchObject([{ code: 'user_id_never_found', userId: id }])
    expect(warnings[0]!.message).toContain(named)
    expect(warnings[0]!.message).toContain(`A user has the id "${id}"`)
  })
})

describe('a user of a trusted issuer whose id has a prefix', () => {
  const trustedIssuers = [{ issuer: IDP, audience: 'api', algorithms: ['RS256' as const] }]

  async function attach(userData: UserData, id: string): Promise<void> {
    const req = { user: { id }, headers: { authorization: 'Bearer x' } }
    await userData.attach().run(req as never)
  }

  it('causes a warning if a document has the id without the prefix', async () => {
    await collection.insertOne({ userId: new ObjectId(HEX) })
    const userData = createCustomUserData({ collection, trustedIssuers }) as UserData
    const warnings: WarningEvent[] = []
    userData.events.on('warning', warning => warnings.push(warning))
    await attach(userData, `${IDP}|${HEX}`)
    await expect.poll(() => warnings, { timeout: 10_000 }).toMatchObject([{ code: 'user_id_never_found' }])
    expect(warnings[0]!.message).toContain(`only in the prefix "${IDP}|" of the trusted issuer`)
    expect(warnings[0]!.message).toContain("userIdPrefix: ''")
  })

  it.each<[string, () => Promise<Awaited<ReturnType<typeof start>>>]>([
    ['the app has users of its own', () => start([{ userId: 'auth0-64b7f3a1' }], { trustedIssuers })],
    [
      'another issuer has users without a prefix',
      async () => {
        const other = { ...trustedIssuers[0]!, issuer: `${IDP}other`, userIdPrefix: '' }
        await collection.insertOne({ userId: 'auth0-64b7f3a1' })
        const issuers = [...trustedIssuers, other]
        const userData = createCustomUserData({ collection, trustedIssuers: issuers }) as UserData
        const warnings: WarningEvent[] = []
        userData.events.on('warning', warning => warnings.push(warning))
        return { userData, warnings }
      },
    ],
  ])('causes no warning if %s', async (_when, begin) => {
    const { userData, warnings } = await begin()
    await attach(userData, `${IDP}|auth0-64b7f3a1`)
    await collection.insertOne({ userId: 'the-last-user' })
    await attach(userData, 'THE-LAST-USER')
    await expect.poll(() => warnings, { timeout: 10_000 }).toMatchObject([{ userId: 'THE-LAST-USER' }])
  })
})

/** The queries for ids of a type. */
const looksAtTypes = () =>
  database.commands
    .named('aggregate')
    .filter(({ command }) => JSON.stringify(command['pipeline']).includes('"$type":["objectId"]'))

describe('three users whose ids can be no ObjectIds', () => {
  it('cause a warning if the documents have only ObjectIds, and no user was found', async () => {
    const { userData, warnings } = await start([{ userId: new ObjectId() }, { userId: new ObjectId() }])
    await load(userData, 'alice@example.com', 'bob@example.com', 'carol@example.com', 'dave@example.com')
    await expect.poll(() => warnings, { timeout: 10_000 }).toMatchObject([{ code: 'user_id_never_found' }])
    expect(looksAtTypes()).toHaveLength(1)
    expect(warnings[0]!.message).toContain('ids such as "alice@example.com"')
    expect(warnings[0]!.message).toContain('{ id: String(user._id) }')
  })

  it.each<[string, Document[], string[]]>([
    ['the collection is empty', [], []],
    ['a document has a text', [{ userId: new ObjectId() }, { userId: 'dave@example.com' }], []],
    ['one of the users may have a document', [{ userId: new ObjectId() }], ['64b7f3a1c2d4e5f601234568']],
  ])('cause no warning if %s', async (_when, documents, others) => {
    const started = await start(documents)
    await load(started.userData, ...others, 'alice@example.com', 'bob@example.com', 'carol@example.com')
    expect(await settle(started)).toEqual([])
  })

  it('are more than two, who may be new', async () => {
    const started = await start([{ userId: new ObjectId() }])
    await load(started.userData, 'alice@example.com', 'bob@example.com', 'alice@example.com')
    expect(await settle(started)).toEqual([])
    expect(looksAtTypes()).toEqual([])
  })

  it('cause no warning if the document of another user was found', async () => {
    const started = await start([{ userId: new ObjectId(HEX) }])
    expect(await loadCustomData(started.userData, HEX)).toMatchObject({ userId: expect.anything() })
    await load(started.userData, 'alice@example.com', 'bob@example.com', 'carol@example.com')
    expect(await settle(started)).toEqual([])
    expect(looksAtTypes()).toEqual([])
  })
})

describe('nothing is looked for', () => {
  const finds = () =>
    database.commands.named('find', 'aggregate').filter(({ command }) => !('hint' in command))

  it.each<[string, Partial<CustomUserDataOptions<Document>>]>([
    ['if the check is off', { checks: { user_id_never_found: false } }],
    ['if toFieldValues converts the ids', { toFieldValues: id => [id] }],
  ])('%s', async (_when, options) => {
    const { userData, warnings } = await start([{ userId: 'alice@example.com' }], options)
    await load(userData, 'ALICE@example.com', 'BOB@example.com', 'CAROL@example.com')
    expect(finds()).toEqual([])
    expect(warnings).toEqual([])
  })

  it('for a new user whose id has one spelling', async () => {
    const { userData } = await start([{ userId: 'alice@example.com' }])
    await load(userData, 'bob@example.com', HEX)
    expect(finds()).toEqual([])
  })

  it('for a short id, which may be another user by chance', async () => {
    const { userData } = await start([{ userId: 'ab' }])
    await load(userData, 'AB')
    expect(finds()).toEqual([])
    const started = { userData, warnings: [] as WarningEvent[] }
    userData.events.on('warning', warning => started.warnings.push(warning))
    expect(await settle(started)).toEqual([])
  })

  it('after 20 users without a document', async () => {
    const { userData } = await start([{ userId: 'alice@example.com' }])
    const users = Array.from({ length: 30 }, (_user, n) => `USER-${n}@example.com`)
    await load(userData, ...users)
    await expect
      .poll(() => database.commands.named('find').filter(({ command }) => !('hint' in command)).length)
      .toBe(20)
    expect(finds().length).toBeLessThanOrEqual(22)
  })
})
