import type { User } from 'realm-web'
import { expect } from 'vitest'
import { logIn } from './rows.js'
import type { Rows, Start } from './rows.js'

interface Note {
  text?: string
  visits?: number
}

export const collectionRows: Rows = {
  async insertOne(start) {
    const { notes, stored } = await open(start)
    const { insertedId } = await notes.insertOne({ text: 'a' })
    expect(await stored()).toMatchObject({ _id: insertedId, text: 'a' })
  },
  async insertMany(start) {
    const { notes, stored } = await open(start)
    const { insertedIds } = await notes.insertMany([{ text: 'a' }])
    expect(insertedIds).toHaveLength(1)
    expect(await stored()).toMatchObject({ text: 'a' })
  },
  async find(start) {
    const { notes } = await open(start, { text: 'a' })
    expect(await notes.find({ text: 'a' }, { projection: { _id: 0, text: 1 }, limit: 5 })).toEqual([
      { text: 'a' },
    ])
    expect(await notes.find({ text: 'b' })).toEqual([])
  },
  async findOne(start) {
    const { notes } = await open(start, { text: 'a' })
    expect(await notes.findOne()).toMatchObject({ text: 'a' })
    expect(await notes.findOne({ text: 'b' })).toBeNull()
  },
  async count(start) {
    const { notes } = await open(start, { text: 'a' })
    expect([await notes.count(), await notes.count({ text: 'b' })]).toEqual([1, 0])
  },
  async aggregate(start) {
    const { notes } = await open(start, { text: 'a' })
    expect(await notes.aggregate([{ $match: { text: 'a' } }, { $project: { _id: 0, text: 1 } }])).toEqual([
      { text: 'a' },
    ])
    const others = notes.aggregate([{ $lookup: { from: 'other', pipeline: [], as: 'all' } }])
    await expect(others).rejects.toMatchObject({ statusCode: 400 })
  },
  async updateOne(start) {
    const { notes, stored } = await open(start, { text: 'a' })
    const change = { $set: { text: 'b' } }
    expect(await notes.updateOne({ text: 'a' }, change)).toEqual({ matchedCount: 1, modifiedCount: 1 })
    expect(await notes.updateOne({ text: 'a' }, change)).toEqual({ matchedCount: 0, modifiedCount: 0 })
    expect(await stored()).toMatchObject({ text: 'b' })
  },
  async updateMany(start) {
    const { notes, stored } = await open(start, { visits: 1 })
    expect(await notes.updateMany({}, { $inc: { visits: 1 } })).toEqual({ matchedCount: 1, modifiedCount: 1 })
    expect(await stored()).toMatchObject({ visits: 2 })
  },
  async findOneAndUpdate(start) {
    const { notes } = await open(start, { text: 'a' })
    const change = { $set: { text: 'b' } }
    const updated = await notes.findOneAndUpdate({ text: 'a' }, change, { returnNewDocument: true })
    expect(updated).toMatchObject({ text: 'b' })
    expect(await notes.findOneAndUpdate({ text: 'a' }, change)).toBeNull()
  },
  async findOneAndReplace(start) {
    const { notes, stored } = await open(start, { text: 'a', visits: 1 })
    expect(await notes.findOneAndReplace({}, { text: 'b' })).toMatchObject({ text: 'a' })
    expect(await stored()).toMatchObject({ text: 'b' })
    expect(await stored()).not.toHaveProperty('visits')
  },
  async findOneAndDelete(start) {
    const { notes, stored } = await open(start, { text: 'a' })
    // The client sends it as a replacement without a document. It must never write an empty one.
    expect(await notes.findOneAndDelete({ text: 'a' })).toMatchObject({ text: 'a' })
    expect(await stored()).toBeUndefined()
  },
  async deleteOne(start) {
    const { notes, stored } = await open(start, { text: 'a' })
    expect(await notes.deleteOne({ text: 'b' })).toEqual({ deletedCount: 0 })
    expect(await notes.deleteOne({ text: 'a' })).toEqual({ deletedCount: 1 })
    expect(await stored()).toBeUndefined()
  },
  async deleteMany(start) {
    const { notes, stored } = await open(start, { text: 'a' })
    expect(await notes.deleteMany({})).toEqual({ deletedCount: 1 })
    expect(await stored()).toBeUndefined()
  },
  async watch(start) {
    const { service, user, notes } = await open(start, { text: 'a' })
    const changes = notes.watch()
    const next = changes.next()
    // A client cannot see when the stream stands, so the document changes until a change is told.
    let visits = 0
    const told: unknown[] = []
    void next.then(({ value }) => told.push(value))
    await expect
      .poll(async () => {
        await service.userData.forUser(user.id).update({ visits: ++visits })
        return told[0]
      })
      .toMatchObject({
        operationType: 'update',
        updateDescription: { updatedFields: { visits: expect.any(Number) } },
      })
    await changes.return(undefined)
  },
}

/** Logs a user in who may read and write their document, which has these fields. */
async function open(start: Start, document?: Note) {
  const customData = {
    database: 'app',
    collection: 'custom_user_data',
    rules: 'read-write' as const,
  }
  const { service, user } = await logIn(start, { customData }, { changeStreams: 'auto' })
  if (document) await service.userData.forUser(user.id).update({ ...document }, { upsert: true })
  return {
    service,
    user,
    notes: notesOf(user),
    stored: () => service.userData.forUser(user.id).read(),
  }
}

function notesOf(user: User) {
  return user.mongoClient('mongodb-atlas').db('app').collection<Note & { _id: unknown }>('custom_user_data')
}
