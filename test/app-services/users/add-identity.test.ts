import { BSON } from 'mongodb'
import jwt from 'jsonwebtoken'
import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import type { KnownIdentity, TriggerEvent } from 'express-custom-user-data/app-services'
import { useDatabase } from '../../support/database.js'
import { APP_ID, startRealmService } from '../support/realm-service.js'

const database = useDatabase()
const SECRET = 'a secret of a partner, which has 32 bytes or more'

async function start() {
  const created: string[] = []
  const service = await startRealmService(database, {
    service: {
      providers: {
        customToken: { keys: [{ alg: 'HS256', key: SECRET }], metadataFields: [{ path: 'email' }] },
      },
      onUserCreation: ({ id }) => created.push(id),
      triggers: [{ operationType: 'CREATE', handler: ({ user }: TriggerEvent) => created.push(user.id) }],
    },
  })
  const logIn = (sub: string, claims: object = {}) => {
    const token = jwt.sign({ sub, aud: APP_ID, ...claims }, SECRET, { expiresIn: '5m' })
    return service.newClient().logIn(Credentials.jwt(token))
  }
  return { ...service, logIn, created }
}

const newUserId = () => new BSON.ObjectId().toHexString()
const ofToken = (userId: string, id: string) => ({ userId, providerType: 'custom-token', id }) as const

test('a login by an added identity finds the user with the given id, and creates nobody', async () => {
  const service = await start()
  const userId = newUserId()
  await service.userData.forUser(userId).update({ $set: { theme: 'dark' } }, { upsert: true })
  await service.appServices.addIdentity({ ...ofToken(userId, userId), data: { email: 'old@example.com' } })
  const user = await service.logIn(userId, { email: 'new@example.com' })
  expect(user.id).toBe(userId)
  expect(user.customData).toMatchObject({ theme: 'dark' })
  expect(user.profile).toMatchObject({ email: 'new@example.com' })
  expect(service.created).toEqual([])
})

test('a user can get several identities, and a repeated call changes nothing', async () => {
  const { appServices, logIn } = await start()
  const userId = newUserId()
  for (const id of [`${userId}-a`, `${userId}-b`, `${userId}-a`])
    await appServices.addIdentity(ofToken(userId, id))
  const user = await logIn(`${userId}-b`)
  expect(user.id).toBe(userId)
  expect(user.identities.map(({ id }) => id)).toEqual([`${userId}-a`, `${userId}-b`])
})

test('an identity of another user is refused, whether the given user exists or not', async () => {
  const { appServices, logIn } = await start()
  const [owner, existing] = [newUserId(), newUserId()]
  await appServices.addIdentity(ofToken(owner, owner))
  await appServices.addIdentity(ofToken(existing, existing))
  for (const userId of [existing, newUserId()])
    await expect(appServices.addIdentity(ofToken(userId, owner))).rejects.toMatchObject({
      code: 'AccountNameInUse',
    })
  expect((await logIn(owner)).id).toBe(owner)
})

test('a user has 20 identities at most', async () => {
  const { appServices } = await start()
  const userId = newUserId()
  for (let n = 0; n < 20; n++) await appServices.addIdentity(ofToken(userId, `${userId}-${n}`))
  await expect(appServices.addIdentity(ofToken(userId, `${userId}-20`))).rejects.toMatchObject({
    code: 'LimitExceeded',
  })
})

test.each([
  [{ userId: 'ABC', providerType: 'custom-token', id: 'a' }, '"userId"'],
  [{ userId: '64b7f0c2a4e1d2f3a4b5c6d7', providerType: 'local-userpass', id: 'a' }, 'addEmailAccount()'],
  [{ userId: '64b7f0c2a4e1d2f3a4b5c6d7', providerType: 'custom-token', id: '\ud800' }, '"id"'],
  [{ userId: '64b7f0c2a4e1d2f3a4b5c6d7', providerType: 'custom-token', id: '' }, '"id"'],
  [{ userId: '64b7f0c2a4e1d2f3a4b5c6d7', providerType: 'custom-token', id: 'a', data: [] }, '"data"'],
  [
    { userId: '64b7f0c2a4e1d2f3a4b5c6d7', providerType: 'custom-token', id: 'a', email: '' },
    'no such option',
  ],
])('the identity %j is refused with the reason', async (identity, reason) => {
  const { appServices } = await start()
  const error: unknown = await appServices.addIdentity(identity as KnownIdentity).catch((e: unknown) => e)
  expect(error).toMatchObject({ name: 'OptionError' })
  expect(String(error)).toContain(reason)
})
