import { join } from 'node:path'
import express from 'express'
import { MongoClient } from 'mongodb'
import { seed } from '../server/seed.js'
import { databaseNameIn } from '../support/database-name.js'
import { closeServer, listen, urlOf } from '../support/http-server.js'
import { runUntilSignal } from '../support/run-until-signal.js'
import { resolveMongoUri } from '../support/start-mongod.js'
import { createApi } from './api.js'

const PAGE = join(__dirname, 'page.html')

runUntilSignal(async ({ onStop }) => {
  const mongo = await resolveMongoUri()
  onStop(mongo.stop)
  const client = new MongoClient(mongo.uri, { serverSelectionTimeoutMS: 5_000 })
  onStop(() => client.close())
  const db = client.db(databaseNameIn(mongo.uri) ?? 'browser_two_origins_example')
  await seed(db)

  // In your set-up this is the server of your pages, for example of Vite.
  let apiOrigin = ''
  const pages = express()
    .get('/', (_req, res) => {
      res.sendFile(PAGE)
    })
    .get('/api-origin', (_req, res) => void res.type('text').send(apiOrigin))
  const pageServer = await listen(pages, Number(process.env['PAGE_PORT'] ?? 5173))
  onStop(() => closeServer(pageServer))

  const api = await listen(await createApi(db, urlOf(pageServer)), Number(process.env['PORT'] ?? 3000))
  onStop(() => closeServer(api))
  apiOrigin = urlOf(api)
  console.log(`Listening on ${apiOrigin}`)
  console.log(`Open ${urlOf(pageServer)}`)
})
