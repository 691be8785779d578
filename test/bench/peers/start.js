// What the package adds to the start of an app that has loaded Express and the driver anyway.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { answerParent } from './worker.js'

const ROOT = new URL('../../../', import.meta.url)
// Those that the package itself will find: a second copy of Express would be counted as ours.
const { resolve } = createRequire(new URL('package.json', ROOT))
const load = name => import(pathToFileURL(resolve(name)).href)

answerParent({
  async run() {
    await load('express')
    const { MongoClient } = await load('mongodb')
    // It is never connected: there is nobody at this address.
    const collection = new MongoClient('mongodb://127.0.0.1:9').db('bench').collection('custom_user_data')
    const startedAt = performance.now()
    const { createCustomUserData } = await import(new URL('dist/index.js', ROOT).href)
    const issuer = 'https://issuer.example.com/'
    const audience = 'https://api.example.com'
    createCustomUserData({
      collection,
      secret: 'a secret of the bench, 32 bytes or more',
      issuer,
      audience,
    }).authenticate()
    return performance.now() - startedAt
  },
})
