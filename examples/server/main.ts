import { setTimeout as wait } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import type { Db } from 'mongodb'
import { databaseNameIn } from '../support/database-name.js'
import { closeServer, listen, urlOf } from '../support/http-server.js'
import { runUntilSignal } from '../support/run-until-signal.js'
import type { Lifecycle } from '../support/run-until-signal.js'
import { resolveMongoUri } from '../support/start-mongod.js'
import { createApp } from './app.js'
import { readConfig } from './config.js'
import type { Config } from './config.js'
import { createDemo } from './demo/demo.js'
import { PASSWORD, seed } from './seed.js'
import { createUserData } from './user-data.js'
import type { UserData } from './user-data.js'

const DATABASE_NAME = 'custom_user_data_example'
/** The interval between attempts to reach MongoDB. */
const RETRY_MS = 500

runUntilSignal(async lifecycle => {
  const { onStop } = lifecycle
  const config = readConfig(process.env)
  sayWhatIsMadeUp(config)
  const client = await openClient(config, lifecycle)
  const db = client.db(databaseNameIn(config.mongodbUri ?? '') ?? DATABASE_NAME)
  const userData = createUserData(db, config)
  onStop(() => userData.close())
  const demo = createDemo(db, config)
  onStop(() => Promise.all(demo.instances.map(instance => instance.close())))
  const server = await listen(createApp(db, userData, demo.router), config.port)
  onStop(() => closeServer(server))
  await untilReady([userData, ...demo.instances], db, lifecycle, reason => {
    console.log(
      `Waiting for MongoDB at ${hostsOf(client)} (${reason}). Until then ${urlOf(server)}/healthz says 503.`,
    )
  })
  console.log(`Listening on ${urlOf(server)}`)
  console.log('Open this address in a browser, to see how old custom data can be.')
})

function sayWhatIsMadeUp({ hasRandomSecret }: Config): void {
  console.log(`alice@example.com, bob@example.com and carol@example.com have the password: ${PASSWORD}`)
  if (hasRandomSecret) {
    console.log(
      'Neither ACCESS_TOKEN_SECRET nor ACCESS_TOKEN_JWK is set: a random secret is used, and access tokens end with this process.',
    )
  }
}

/** Does not wait for the server of `MONGODB_URI`. While it cannot be reached, the app says so, and it works once it can. */
async function openClient({ mongodbUri }: Config, { onStop }: Lifecycle): Promise<MongoClient> {
  const mongo = await resolveMongoUri()
  onStop(mongo.stop)
  if (mongodbUri === undefined) console.log(`Started a MongoDB for as long as this runs: ${mongo.uri}`)
  const client = new MongoClient(mongo.uri)
  onStop(() => client.close())
  return client
}

/** Fills the database as soon as MongoDB answers. Prints each reason for waiting once. */
async function untilReady(
  instances: readonly UserData[],
  db: Db,
  { signal }: Lifecycle,
  report: (reason: string) => void,
): Promise<void> {
  const reported = new Set<string>()
  for (;;) {
    // The driver connects by itself, but only once. If that fails, connect() has to be called again.
    db.client.connect().catch(() => undefined)
    try {
      for (const instance of instances) await instance.ready()
      await seed(db)
      return
    } catch (error) {
      signal.throwIfAborted()
      const reason = error instanceof Error ? error.message : String(error)
      if (!reported.has(reason)) report(reason)
      reported.add(reason)
      await wait(RETRY_MS, undefined, { signal })
    }
  }
}

/** Removes the user name and the password of the URI. */
function hostsOf(client: MongoClient): string {
  return client.options.srvHost ?? client.options.hosts.join(', ')
}
