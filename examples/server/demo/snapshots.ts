import { Router } from 'express'
import type { RequestHandler } from 'express'
import { greetingIn } from '../greeting.js'
import type { UserData } from '../user-data.js'

/** The ages that the page offers, by the name in the path. */
const MAX_AGES = { 'max-age-none': undefined, 'max-age-10s': 10_000, 'max-age-0': 0 }

/** Creates one route for each maximum age, because the options of a guard are fixed when it is created. */
export function createSnapshotRoutes(userData: UserData): Router {
  const router = Router()
  for (const [name, maxAgeMs] of Object.entries(MAX_AGES)) {
    router.get(`/${name}`, noteStart, userData.authenticate({ maxAgeMs }), showSnapshot(userData))
  }
  return router
}

const noteStart: RequestHandler = (_req, res, next) => {
  res.locals['began'] = performance.now()
  next()
}

/** Answers with the custom data that each handler of the app would see, its age, and the counters of the instance. */
function showSnapshot(userData: UserData): RequestHandler {
  return (req, res) => {
    const { customData } = userData.user(req)
    const ageMs = userData.snapshotAgeMs(req)
    const requestMs = performance.now() - Number(res.locals['began'])
    res.json({
      customData,
      greeting: greetingIn(customData.language),
      ageMs,
      // A snapshot that is older than the request was in the cache. Ages have the precision of the wall clock.
      servedFrom: ageMs !== undefined && ageMs <= requestMs + 1 ? 'MongoDB' : 'cache',
      stats: userData.stats(),
    })
  }
}
