import { createCustomUserData, hashPassword } from 'express-custom-user-data'
import { MongoClient } from 'mongodb'
import { measureRoundTrips } from '../support/round-trips.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import { single } from './figures.js'
import type { Section } from './figures.js'
import type { DatabaseAddress } from './fresh-pair.js'

/** Milliseconds that are added to each answer of MongoDB, as a database in another region would take. */
const DELAY_MS = 20

const TITLES = {
  login: 'a login with the throttle',
  loginWithoutThrottle: 'a login without the throttle',
  wrongPassword: 'a login with a wrong password',
  wrongPasswordWithoutThrottle: 'a login with a wrong password, without the throttle',
  refresh: 'a refresh',
  logout: 'a logout',
  miss: 'a request with a new token',
} as const

/** The commands of a request that wait for each other, with a MongoDB that is far away. */
export async function measureDistantDatabase({ mongoUri, database }: DatabaseAddress): Promise<Section> {
  const server = new URL(mongoUri)
  const proxy = await startTcpProxy(server.hostname, Number(server.port))
  server.port = String(proxy.port)
  server.searchParams.set('directConnection', 'true')
  const client = new MongoClient(server.href, { monitorCommands: true, minPoolSize: 12 })
  try {
    const db = client.db(`${database}_distant`)
    const createUserData = (loginThrottle: object | false) =>
      createCustomUserData({
        collection: db.collection('custom_user_data'),
        secret: 'a secret of the benchmark, 32 bytes or more',
        issuer: 'https://issuer.example.com',
        audience: 'https://api.example.com',
        changeStreams: 'off',
        loginThrottle,
      })
    const measured = await measureRoundTrips({ client, db, proxy, createUserData, hashPassword }, DELAY_MS)
    await db.dropDatabase()
    const figures = Object.entries(measured).flatMap(([name, { steps, ms }]) => {
      const title = TITLES[name as keyof typeof measured]
      return [
        single(`roundTrips.${name}`, title, 'commands', steps),
        single(`roundTrips.${name}.ms`, `${title}: until the answer`, 'ms', ms),
      ]
    })
    return { title: 'Round trips', note: `Each answer of MongoDB takes ${DELAY_MS} ms longer.`, figures }
  } finally {
    await client.close()
    await proxy.close()
  }
}
