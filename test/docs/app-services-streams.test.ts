/** Runs the loop of the guide to streams, with the unmodified client. */
import { Credentials } from 'realm-web'
import type { RequestHandler } from 'express'
import type { AppServicesOptions } from 'express-custom-user-data/app-services'
import { describe, expect, it } from 'vitest'
import { startRealmService } from '../app-services/support/realm-service.js'
import type { RealmService, RealmServiceOptions } from '../app-services/support/realm-service.js'
import { useDatabase } from '../support/database.js'
import { blockOf, run } from './guide-code.js'

const database = useDatabase()
const PAGE = 'docs/app-services-streams.md'

type Documents = AsyncGenerator<{ readonly n: number } | null>

interface Settings extends Pick<RealmServiceOptions, 'before'> {
  readonly customData?: AppServicesOptions['customData']
  readonly changeStreams?: 'auto' | 'off'
}

/** Starts a service, with a change stream unless the settings say otherwise. */
async function startService({
  customData = { database: 'app', collection: 'custom_user_data' },
  changeStreams = 'auto',
  ...others
}: Settings = {}): Promise<RealmService> {
  await database.db.createCollection('custom_user_data').catch(() => undefined)
  const service = { customData }
  const started = await startRealmService(database, { service, instance: { changeStreams }, ...others })
  await started.userData.ready()
  return started
}

/** Middleware that can cut the connections of streams, as a proxy or a network does. */
function createCutter() {
  const cuts: (() => void)[] = []
  const cutter: RequestHandler = (req, res, next) => {
    if (req.method === 'GET' && req.path.endsWith('/functions/call')) cuts.push(() => void res.destroy())
    next()
  }
  return { cuts, cutter }
}

/** Runs the loop of the page for a new user. Short pauses are a hundredth of those on the page, and the test ends long ones. */
async function follow({ newClient, userData, requests }: RealmService) {
  const held: (() => void)[] = []
  const soon = (done: () => void, ms: number) => {
    if (ms < 4_000) setTimeout(done, ms / 100)
    else held.push(done)
  }
  const documentsOf = (await run(
    blockOf(PAGE, 'function* documentsOf'),
    { setTimeout: soon },
    'documentsOf',
  )) as (collection: unknown, signal: AbortSignal) => Documents
  const user = await newClient().logIn(Credentials.anonymous())
  const collection = user.mongoClient('mongodb-atlas').db('app').collection('custom_user_data')
  const controller = new AbortController()
  const seen: (number | undefined)[] = []
  const ended = (async () => {
    for await (const document of documentsOf(collection, controller.signal)) seen.push(document?.n)
  })()
  ended.catch(() => undefined) // each test looks at it later
  return {
    user,
    seen,
    held,
    ended,
    abort: () => {
      controller.abort()
    },
    write: (n: number) => userData.forUser(user.id).update({ $set: { n } }, { upsert: true }),
    streams: () => requests.filter(({ name }) => name === 'GET /functions/call'),
  }
}

describe('the loop of the guide to streams', () => {
  it('shows the document at the beginning and after each change, and ends when its signal aborts', async () => {
    const service = await startService()
    const { seen, ended, abort, write, streams } = await follow(service)
    await expect.poll(() => seen).toEqual([undefined])
    for (const n of [1, 2]) {
      await write(n)
      await expect.poll(() => seen.at(-1)).toBe(n)
    }
    abort()
    await ended
    await expect.poll(() => streams().some(stream => stream.isOpen())).toBe(false)
    expect(streams()).toHaveLength(1)
  })

  it('opens a stream again that the network has cut, and shows what has changed meanwhile', async () => {
    const { cuts, cutter } = createCutter()
    const service = await startService({ before: app => app.use(cutter) })
    const { seen, ended, abort, write, streams } = await follow(service)
    await write(1)
    await expect.poll(() => seen.at(-1)).toBe(1)
    cuts[0]?.()
    await write(2)
    await expect.poll(() => seen.at(-1)).toBe(2)
    await expect.poll(() => streams().length).toBeGreaterThan(1)
    await write(3)
    await expect.poll(() => seen.at(-1)).toBe(3)
    abort()
    await ended
  })

  it('tries again while the service is closing', async () => {
    const service = await startService()
    const { seen, held, ended, abort, streams } = await follow(service)
    await expect.poll(() => seen).toEqual([undefined])
    await service.appServices.close()
    await expect.poll(() => held).toHaveLength(1)
    expect(streams().map(stream => stream.status())).toEqual([200, 503, 503])
    abort()
    held[0]?.()
    await ended
  })

  it('ends with an error when the session has ended', async () => {
    const { cuts, cutter } = createCutter()
    const service = await startService({ before: app => app.use(cutter) })
    const { user, seen, ended } = await follow(service)
    await expect.poll(() => seen).toEqual([undefined])
    await service.userData.revoke(user.id)
    cuts[0]?.() // a stream ends by itself too, up to 25 seconds later
    await expect(ended).rejects.toMatchObject({ errorCode: 'InvalidSession', statusCode: 401 })
  })

  it('ends with an error when the user may not read the document', async () => {
    const roles = [{ name: 'nobody', apply_when: { '%%user.id': 'nobody' } }]
    const names = { database: 'app', collection: 'custom_user_data' }
    const service = await startService({ customData: { ...names, rules: { ...names, roles } } })
    const { ended } = await follow(service)
    await expect(ended).rejects.toMatchObject({ errorCode: 'NoMatchingRuleFound', statusCode: 403 })
  })
  it('ends with an error when the service has no change stream', async () => {
    const { ended } = await follow(await startService({ changeStreams: 'off' }))
    await expect(ended).rejects.toMatchObject({ errorCode: 'ServiceCommandNotFound', statusCode: 400 })
  })
})
