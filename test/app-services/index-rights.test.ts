import { randomBytes } from 'node:crypto'
import type { Db } from 'mongodb'
import { expect, onTestFinished, test } from 'vitest'
import { createAppServices } from 'express-custom-user-data/app-services'
import type { AppServices } from 'express-custom-user-data/app-services'
import { useAuthServer } from '../support/auth-server.js'
import { createTestUserData } from '../support/user-data.js'

const server = useAuthServer()

const READ_AND_WRITE = ['find', 'insert', 'update', 'remove']
const CORE = ['custom_user_data', 'custom_user_data_sessions', 'custom_user_data_login_attempts']

function createFor(db: Db): AppServices {
  const userData = createTestUserData({ db }, { userDataInToken: 'canonical' })
  onTestFinished(() => userData.close())
  return createAppServices({
    userData,
    database: db,
    appId: 'application-0-abcde',
    hostname: 'https://api.example.com/realm',
    providers: { emailPassword: { autoConfirm: true } },
  })
}

/** A database whose indexes an administrator has made, or not. */
async function makeDatabase({ hasIndexes }: { hasIndexes: boolean }): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const db = server.ownerDb(name)
  const owner = createFor(db)
  await owner.ready()
  const own = (await db.collections()).filter(({ collectionName }) => !CORE.includes(collectionName))
  if (!hasIndexes) await Promise.all(own.map(collection => collection.dropIndexes()))
  return name
}

async function rightsIn(name: string, actions: readonly string[]) {
  const collections = await server.ownerDb(name).collections()
  const rightsOf = (collectionName: string) =>
    CORE.includes(collectionName) ? [...READ_AND_WRITE, 'createIndex', 'listIndexes'] : actions
  return Object.fromEntries(
    collections.map(({ collectionName }) => [collectionName, rightsOf(collectionName)]),
  )
}

test('without the right to make indexes, the indexes of an administrator are enough', async () => {
  const name = await makeDatabase({ hasIndexes: true })
  const db = await server.dbWith(name, await rightsIn(name, [...READ_AND_WRITE, 'listIndexes']))
  const appServices = createFor(db)
  await appServices.ready()
  const userId = '65f0a1c2d3e4f5a6b7c8d9e0'
  await appServices.addEmailAccount({ email: 'alice@example.com', userId })
  expect(await appServices.findUser(userId)).toMatchObject({ id: userId })
})

test.each([
  ['that are missing', { hasIndexes: false }, [...READ_AND_WRITE, 'listIndexes']],
  ['that cannot be listed', { hasIndexes: true }, READ_AND_WRITE],
])('without the right to make indexes %s, the error says what to run', async (_which, state, actions) => {
  const name = await makeDatabase(state)
  const db = await server.dbWith(name, await rightsIn(name, actions))
  await expect(createFor(db).ready()).rejects.toThrow(
    expect.objectContaining({
      message: expect.stringMatching(
        /Grant createIndex \(readWrite has it\), or run: db\.getCollection\("\w+"\)\.createIndex\(\{/,
      ) as string,
    }),
  )
})
