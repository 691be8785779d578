import express from 'express'
import { MongoClient } from 'mongodb'
import { databaseNameIn } from '../support/database-name.js'
import { closeServer, listen, urlOf } from '../support/http-server.js'
import { runUntilSignal } from '../support/run-until-signal.js'
import { resolveMongoUri } from '../support/start-mongod.js'
import { createApp } from './app.js'
import { createPages } from './pages.js'

runUntilSignal(async ({ onStop }) => {
  const mongo = await resolveMongoUri()
  onStop(mongo.stop)
  const client = new MongoClient(mongo.uri, { serverSelectionTimeoutMS: 5_000 })
  onStop(() => client.close())
  const db = client.db(databaseNameIn(mongo.uri) ?? 'app_services_example')

  // The service tells clients its own address, and a port that is picked at the start is known only now.
  const api = express()
  const apiServer = await listen(api, Number(process.env['PORT'] ?? 3000))
  onStop(() => closeServer(apiServer))
  const apiOrigin = urlOf(apiServer)

  const pageServer = await listen(createPages(apiOrigin), Number(process.env['PAGE_PORT'] ?? 5173))
  onStop(() => closeServer(pageServer))
  const pageOrigin = urlOf(pageServer)

  const { app, close } = await createApp(db, { apiOrigin, pageOrigin })
  onStop(close)
  api.use(app)
  console.log(`Listening on ${apiOrigin}`)
  console.log(`Open ${pageOrigin}`)
})
