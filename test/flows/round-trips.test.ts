import { hashPassword } from 'express-custom-user-data'
import { beforeAll, expect, it } from 'vitest'
import { useDatabase, useProxiedDatabase } from '../support/database.js'
import { measureRoundTrips } from '../support/round-trips.js'
import { createTestUserData } from '../support/user-data.js'

const direct = useDatabase()
const database = useProxiedDatabase(direct, { minPoolSize: 12 })
let measured: Awaited<ReturnType<typeof measureRoundTrips>>
beforeAll(async () => {
  const { client, db, proxy } = database
  const createUserData = (loginThrottle: object | false) =>
    createTestUserData({ db }, { loginThrottle, changeStreams: 'off' })
  measured = await measureRoundTrips({ client, db, proxy, createUserData, hashPassword }, 30)
})

it.each([
  ['login', 'a login with the throttle', 4],
  ['loginWithoutThrottle', 'a login without the throttle', 3],
  ['wrongPassword', 'a login with a wrong password', 3],
  ['wrongPasswordWithoutThrottle', 'a login with a wrong password without the throttle', 2],
  ['refresh', 'a refresh', 2],
  ['logout', 'a logout', 1],
  ['miss', 'a request whose token has no snapshot yet', 1],
] as const)('%s: commands that wait for each other in %s are at most %i', (name, _title, most) => {
  expect(measured[name].steps).toBeGreaterThan(0)
  expect(measured[name].steps).toBeLessThanOrEqual(most)
})
