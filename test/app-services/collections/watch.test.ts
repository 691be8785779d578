import { BSON as ClientBson } from 'realm-web'
import { expect, onTestFinished, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { ID_FIELD, NAMES, startCollection } from '../support/own-collection.js'
import type { Row } from '../support/own-collection.js'

const database = useDatabase()
type Started = Awaited<ReturnType<typeof startCollection>>
type LoggedIn = Awaited<ReturnType<Started['logIn']>>

async function start(options: Parameters<typeof startCollection>[1] = {}) {
  await database.db.createCollection('custom_user_data').catch(() => undefined)
  const started = await startCollection(database, {
    ...options,
    instance: { changeStreams: 'auto', ...options.instance },
  })
  await started.service.userData.ready()
  // Open streams would keep the server from closing.
  onTestFinished(() => started.service.appServices.close())
  return started
}

/** Collects the events of a watch. */
function watch(collection: LoggedIn['collection'], options?: { ids?: unknown[]; filter?: Row }) {
  const events: Row[] = []
  const stream = collection.watch(options as object)
  const ended = (async () => {
    for await (const event of stream) events.push(event)
  })()
  ended.catch(() => undefined)
  return { events, ended }
}

test('a client follows its own document, and nobody else does', async () => {
  const started = await start()
  const [alice, bob] = [await started.logIn(), await started.logIn()]
  const ofBob = watch(bob.collection)
  const { events } = watch(alice.collection)
  await expect
    .poll(async () => {
      await alice.collection.updateOne({}, { $inc: { n: 1 } }, { upsert: true })
      return events.length
    })
    .toBeGreaterThan(1)
  await bob.collection.insertOne({ of: 'bob' })
  await expect.poll(() => ofBob.events.length).toBe(1)
  expect(ofBob.events).toMatchObject([
    { operationType: 'insert', fullDocument: { of: 'bob', [ID_FIELD]: bob.id } },
  ])
  expect(JSON.stringify(events)).not.toContain('bob')
  expect(events.at(-1)).toMatchObject({
    _id: expect.anything(),
    ns: { db: NAMES.database, coll: NAMES.collection },
  })
  const [stored] = await started.stored(alice.id)
  expect(events.at(-1)).toHaveProperty('documentKey._id', new ClientBson.ObjectId(String(stored?.['_id'])))
  await alice.collection.deleteOne({})
  await expect.poll(() => events.at(-1)?.['operationType']).toBe('delete')
})

test('an event holds only the fields that the role may read', async () => {
  const rules = {
    ...NAMES,
    roles: [{ name: 'reader', apply_when: {}, fields: { shown: { read: true } }, additional_fields: {} }],
  }
  const started = await start({ rules })
  const { collection, id } = await started.logIn()
  const document = started.service.userData.forUser(id)
  await document.replace({ shown: 1, hidden: 'secret' }, { upsert: true })
  const { events } = watch(collection)
  let n = 0
  await expect
    .poll(async () => {
      await document.update({ hidden: `secret ${++n}` })
      await document.update({ $inc: { shown: 1 }, $set: { hidden: `secret ${++n}` } })
      return events.length
    })
    .toBeGreaterThan(1)
  const shown = expect.any(Number)
  expect(events.at(-1)).toEqual({
    _id: expect.anything(),
    ns: { db: NAMES.database, coll: NAMES.collection },
    documentKey: {},
    operationType: 'update',
    fullDocument: { shown },
    updateDescription: { updatedFields: { shown }, removedFields: [] },
  })
  expect(JSON.stringify(events)).not.toContain('secret')
})

test('a watch of other ids gives no events, and a filter is refused', async () => {
  const started = await start()
  const { collection, id } = await started.logIn()
  await collection.insertOne({ n: 1 })
  const own = (await collection.findOne())!
  const others = watch(collection, { ids: [new ClientBson.ObjectId()] })
  const ids = watch(collection, { ids: [own._id] })
  await expect
    .poll(async () => {
      await started.service.userData.forUser(id).update({ $inc: { n: 1 } })
      return ids.events.length
    })
    .toBeGreaterThan(0)
  expect(others.events).toEqual([])
  await expect(watch(collection, { filter: { operationType: 'insert' } }).ended).rejects.toThrow(
    /filter of watch/,
  )
})

test('without the right to read there is no watch', async () => {
  const started = await start({ rules: { ...NAMES, roles: [{ name: 'nobody', apply_when: false }] } })
  const { collection } = await started.logIn()
  await expect(watch(collection).ended).rejects.toThrow(/no rule permits this/)
})
