import { expect, test } from 'vitest'
import { createAppServices } from 'express-custom-user-data/app-services'
import type { CollectionRole, CollectionRules } from 'express-custom-user-data/app-services'
import { useDatabase } from '../../support/database.js'
import { createTestUserData } from '../../support/user-data.js'
import { ID_FIELD, NAMES, sendOperation, startCollection } from '../support/own-collection.js'
import type { Row } from '../support/own-collection.js'

const database = useDatabase()
const ALL = { read: true, write: true }

function rulesOf(...roles: Partial<CollectionRole>[]): CollectionRules {
  return { ...NAMES, roles: roles.map((role, index) => ({ name: `role ${index}`, apply_when: {}, ...role })) }
}

/** A user with a document, under these roles. */
async function startWith(document: Row | undefined, ...roles: Partial<CollectionRole>[]) {
  const { service, logIn, stored } = await startCollection(database, { rules: rulesOf(...roles) })
  const { user, id, collection } = await logIn()
  const { forUser } = service.userData
  if (document) await forUser(id).replace(document, { upsert: true })
  return {
    collection,
    id,
    forUser,
    stored: () => stored(id),
    send: (name: string, args: Row) => sendOperation(service, user, name, args),
  }
}

test('the documented role of an owner may do what it says', async () => {
  const { collection, id } = await startWith(undefined, {
    apply_when: { [ID_FIELD]: '%%user.id' },
    insert: true,
    delete: true,
    read: true,
    write: true,
  })
  await collection.insertOne({ theme: 'dark' })
  await collection.updateOne({ [ID_FIELD]: id }, { $set: { theme: 'light' } })
  expect(await collection.findOne()).toMatchObject({ theme: 'light' })
  expect(await collection.deleteOne({})).toEqual({ deletedCount: 1 })
})

test('the first role that applies decides, and a user without a role gets 403', async () => {
  const { send } = await startWith(
    { level: 1 },
    { apply_when: { '%%user.custom_data.level': 2 }, read: true, write: true },
    { apply_when: { '%%user.custom_data.level': 1 }, read: true },
    { read: true, write: true },
  )
  expect((await send('find', {})).status).toBe(200)
  expect((await send('updateOne', { update: { level: 2 } })).status).toBe(403)
  const { send: sendAsNobody } = await startWith(
    { level: 1 },
    { apply_when: { '%%user.type': 'server' }, read: true },
  )
  expect(await sendAsNobody('find', {})).toMatchObject({
    status: 403,
    body: { error_code: 'NoMatchingRuleFound' },
  })
})

test('a new role counts at once, without a new token', async () => {
  const { send, id, forUser } = await startWith(
    { role: 'editor' },
    { apply_when: { '%%user.custom_data.role': 'editor' }, ...ALL },
    { read: true },
  )
  expect((await send('updateOne', { update: { n: 1 } })).status).toBe(200)
  await forUser(id).update({ role: 'reader' })
  expect((await send('updateOne', { update: { n: 2 } })).status).toBe(403)
})

test.each<[string, CollectionRole['apply_when'], number]>([
  ['a plain field', { status: 'open' }, 200],
  ['a plain field with another value', { status: 'closed' }, 403],
  ['a field with an operator', { status: { $in: ['open', 'new'] } }, 200],
  ['a path', { 'nested.n': { $gt: 1 } }, 200],
  ['%%root', { '%%root.status': 'open' }, 200],
  ['%%prevRoot', { '%%prevRoot.status': 'open' }, 200],
  ['%%this', { '%%this.status': { $exists: false } }, 403],
  ['a list of conditions', { $or: [{ status: 'closed' }, { 'nested.n': 2 }] }, 200],
  ['a negation', { '%not': { status: 'open' } }, 403],
  ['a document compared with the user', { members: '%%user.id' }, 403],
  ['the user compared with the document', { '%%user.custom_data.status': '%%root.status' }, 200],
  ['two names of one field', { status: 'open', '%%root.status': 'closed' }, 403],
  ['the owner as an ObjectId', { [ID_FIELD]: { '%stringToOid': '%%user.id' } }, 200],
  [
    'the owner and another condition',
    { [ID_FIELD]: '%%user.id', '%%root.userId': '%%user.id', status: 'closed' },
    403,
  ],
  ['the owner by an operator', { [ID_FIELD]: { $eq: '%%user.id' } }, 200],
  ['the owner as somebody else', { [ID_FIELD]: 'bob' }, 403],
  ['the owner by another operator', { [ID_FIELD]: { $ne: '%%user.id' } }, 403],
  ['the owner as an ObjectId of another text', { [ID_FIELD]: { '%stringToOid': '%%root.status' } }, 403],
  ['a list of values', { status: { $nin: ['closed', '%%user.id'] } }, 200],
  ['%%true and a value of the document', { '%%true': '%%root.nested.yes' }, 200],
  ['%%true and an expression', { '%%true': { '%and': [{ status: 'open' }, { 'nested.n': 2 }] } }, 200],
  ['%%true and a negation', { '%%true': { $not: { status: 'open' } } }, 403],
  ['%%false and a value of the document', { '%%false': '%%root.nested.yes' }, 403],
  ['%%true and a comparison', { '%%true': { $eq: '%%root.nested.yes' } }, 200],
  ['a condition that is false in a list', { $and: [true, false] }, 403],
  ['the document as it was', { '%%prev.status': { $exists: true } }, 200],
])('a role can depend on %s', async (_what, apply_when, status) => {
  const { send } = await startWith(
    { status: 'open', nested: { n: 2, yes: true } },
    { apply_when, read: true },
  )
  expect((await send('find', {})).status).toBe(status)
})

test('rules of fields hide what may not be read, and refuse to be asked for it', async () => {
  const { send, stored } = await startWith(
    { name: 'Ann', salary: 5 },
    { fields: { name: { read: true } }, additional_fields: {} },
  )
  const before = await stored()
  expect((await send('find', {})).body).toEqual([{ name: 'Ann' }])
  expect((await send('findOne', { query: { name: 'Ann' }, project: { salary: 1 } })).body).toEqual({})
  for (const [name, args] of [
    ['count', { query: { salary: { $gt: { $numberInt: '3' } } } }],
    ['find', { query: { $nor: [{ 'salary.x': 1 }] } }],
    ['find', { query: { $expr: { $gt: ['$salary', 3] } } }],
    ['find', { sort: { salary: 1 } }],
    ['aggregate', { pipeline: [{ $match: { salary: 5 } }, { $count: 'n' }] }],
  ] as [string, Row][])
    expect(await send(name, args), JSON.stringify(args)).toMatchObject({ status: 403 })
  expect(await stored()).toEqual(before)
})

test('the right to write a document never includes a field that may not be written', async () => {
  const { send, stored } = await startWith(
    { role: 'user', theme: 'dark' },
    { fields: { role: { read: true, write: false } }, additional_fields: ALL, delete: false },
  )
  const before = await stored()
  for (const [name, args] of [
    ['updateOne', { update: { $set: { role: 'admin' } } }],
    ['updateOne', { update: { role: 'admin' } }],
    ['updateOne', { update: { $set: { 'role.x': 1 } } }],
    ['updateOne', { update: { $unset: { role: 1 } } }],
    ['updateOne', { update: { $rename: { theme: 'role' } } }],
    ['updateOne', { update: { $rename: { role: 'theme' } } }],
    ['updateOne', { update: { $setOnInsert: { role: 'admin' } }, upsert: true }],
    ['findOneAndUpdate', { update: { $set: { role: 'admin' } } }],
    ['findOneAndReplace', { update: { role: 'user', theme: 'light' } }],
    ['findOneAndReplace', {}],
    ['deleteOne', {}],
  ] as [string, Row][])
    expect(await send(name, args), JSON.stringify(args)).toMatchObject({ status: 403 })
  expect(await stored()).toEqual(before)
  expect((await send('updateOne', { update: { $set: { theme: 'light' } } })).status).toBe(200)
})

test('a new document has only fields that its role may write', async () => {
  const { send, stored } = await startWith(undefined, {
    insert: true,
    fields: { role: { read: true } },
    additional_fields: ALL,
  })
  for (const [name, args] of [
    ['insertOne', { document: { role: 'admin' } }],
    ['insertMany', { documents: [{ role: 'admin' }] }],
    ['updateOne', { update: { $set: { role: 'admin' } }, upsert: true }],
    ['updateOne', { update: { $setOnInsert: { role: 'admin' } }, upsert: true }],
    ['findOneAndReplace', { update: { role: 'admin' }, upsert: true }],
  ] as [string, Row][])
    expect(await send(name, args), name).toMatchObject({ status: 403 })
  expect(await stored()).toEqual([])
  expect((await send('insertOne', { document: { theme: 'dark' } })).status).toBe(200)
})

test('the right to insert can depend on the new document', async () => {
  const { send, stored } = await startWith(undefined, { insert: { kind: 'guest' }, ...ALL })
  for (const [name, args] of [
    ['insertOne', { document: { kind: 'host' } }],
    ['updateOne', { update: { $set: { kind: 'host' } }, upsert: true }],
    ['updateOne', { update: { $set: { kind: 'guest' }, $push: { kind: 'host' } }, upsert: true }],
  ] as [string, Row][])
    expect(await send(name, args), name).toMatchObject({ status: 403 })
  expect(await stored()).toEqual([])
  expect((await send('insertOne', { document: { kind: 'guest' } })).status).toBe(200)
})

test('a rule of the whole document wins over the rules of fields', async () => {
  const { send } = await startWith(
    { a: 1 },
    { read: true, write: false, fields: { a: { write: true } }, additional_fields: {} },
  )
  expect((await send('find', {})).body).toMatchObject([{ a: { $numberInt: '1' } }])
  expect((await send('updateOne', { update: { a: 2 } })).status).toBe(403)
})

test('document filters come before all other rights', async () => {
  const role = { ...ALL, delete: true }
  const { send } = await startWith(
    { locked: true },
    { ...role, document_filters: { write: { '%%prevRoot.locked': false } } },
  )
  expect((await send('find', {})).status).toBe(200)
  expect((await send('updateOne', { update: { n: 1 } })).status).toBe(403)
  expect((await send('deleteOne', {})).status).toBe(403)
  const { send: sendHidden } = await startWith(
    {},
    { ...role, document_filters: { read: false, write: false } },
  )
  expect((await sendHidden('count', {})).status).toBe(403)
})

test.each<[string, unknown, RegExp]>([
  [
    'another collection',
    { ...NAMES, collection: 'x', roles: [{ name: 'a', apply_when: {} }] },
    /write the same names/,
  ],
  ['no roles', { ...NAMES, roles: [] }, /one role at least/],
  ['a role that is there twice', rulesOf({ name: 'a' }, { name: 'a' }), /"a" is there twice/],
  ['an unknown member', rulesOf({ reed: true } as object), /there is no such option/],
  ['filters', { ...rulesOf({}), filters: [{ name: 'f' }] }, /filters are not supported/],
  ['a schema', { ...rulesOf({}), schema: { bsonType: 'object' } }, /validator/],
  ['rules of nested fields', rulesOf({ fields: { a: { fields: { b: {} } } } } as object), /whole field/],
  ['a path as the name of a field', rulesOf({ fields: { 'a.b': {} } }), /without dots/],
  ['the document after a write', rulesOf({ write: { '%%root.a': 1 } }), /%%prevRoot/],
  ['a plain field in a write', rulesOf({ additional_fields: { write: { a: 1 } } }), /%%prevRoot/],
  ['the whole document', rulesOf({ apply_when: { '%%root': 1 } }), /one of its fields/],
  [
    'the whole document before a write',
    rulesOf({ write: { '%%prevRoot': 1 } }),
    /"%%prevRoot" names the whole/,
  ],
  ['an unknown operator on the document', rulesOf({ apply_when: { '%%this.a': { $gtt: 1 } } }), /%%root\.a/],
  [
    'an unknown operator on the document before a write',
    rulesOf({ write: { '%%prev.a': { $gtt: 1 } } }),
    /%%prevRoot\.a/,
  ],
  [
    'an unknown operator on custom data',
    rulesOf({ read: { '%%user.custom_data.a': { $gtt: 1 } } }),
    /%%user\.custom_data\.a/,
  ],
  ['a list that is none', rulesOf({ apply_when: { $or: { a: 1 } } }), /role "role 0": apply_when/],
  ['a function', rulesOf({ apply_when: { '%%true': { '%function': { name: 'f' } } } }), /apply_when/],
  ['an unknown expansion', rulesOf({ read: { '%%environment.tag': 'x' } }), /role "role 0": read/],
  ['a word', 'write', /"read", "read-write"/],
])('rules with %s are refused at creation', (_what, rules, message) => {
  const userData = createTestUserData(database, { userDataInToken: 'canonical' })
  const create = () =>
    createAppServices({
      userData,
      database: database.db,
      appId: 'application-0-abcde',
      hostname: 'https://api.example.com/realm',
      providers: { anonymous: true },
      customData: { ...NAMES, rules: rules as CollectionRules },
    })
  expect(create).toThrow(message)
  expect(create).toThrow(/^createAppServices\(\): option/)
})
