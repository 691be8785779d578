// Times of one call, without HTTP. mitata runs calls of a microsecond in batches, so that its clock is not measured.
import { hash } from 'node:crypto'
import { IncomingMessage } from 'node:http'
import express from 'express'
import jwt from 'jsonwebtoken'
import { measure } from 'mitata'
import passport from 'passport'
import { createInstance } from './apps/ours.js'
import { connect, userIdOf } from './database.js'
import { createKeys, signToken } from './tokens.js'
import { answerParent } from './worker.js'

/**
 * As many requests (a power of two), each with header texts of its own, as Node's parser makes them. To V8 before 13 each is
 * an object of another kind.
 */
const REQUESTS = 512
const HEADERS = ['Host', '127.0.0.1:3000', 'Accept', '*/*', 'User-Agent', 'bench', 'Authorization']

const CALLS = {
  hit: (userData, token) => createHit(userData.authenticate(), token),
  hitNewRequest: (userData, token) => onNewRequests(userData.authenticate(), token),
  newProperty: (_userData, token) => onNewRequests(addUser, token),
  hitInPassport: (userData, token) => createHit(inPassport(userData), token, 1),
  passportAlone: (_userData, token) => createHit(passportAlone(), token, 1),
  hitInPassportManyRequests: (userData, token) => createHit(inPassport(userData), token),
  passportAloneManyRequests: (_userData, token) => createHit(passportAlone(), token),
  hash: (_userData, token) => () => hash('sha256', token, 'binary'),
  verifyHs256: () => verify('HS256'),
  verifyRs256: () => verify('RS256'),
  verifyEs256: () => verify('ES256'),
}

answerParent({
  async run({ name, minCpuMs, ...setup }) {
    const { profiles } = await connect(setup)
    const keys = createKeys('HS256')
    const userData = createInstance({ profiles, keys })
    const token = signToken(keys, userIdOf(0))
    await userData.verifyToken(token)
    return timeOf(CALLS[name](userData, token), minCpuMs)
  },
})

/** Microseconds of a call: half of the samples are below `median`, a quarter above `max`. */
async function timeOf(call, minCpuMs) {
  const { p50, p75, min } = await measure(call, { min_cpu_time: minCpuMs * 1e6 })
  return { median: p50 / 1000, min: min / 1000, max: p75 / 1000 }
}

function verify(alg) {
  const keys = createKeys(alg)
  const token = signToken(keys, userIdOf(0))
  return () => jwt.verify(token, keys.verifyWith)
}

/** What no middleware can do without that says who the user is. */
function addUser(req) {
  req.user = undefined
}

function inPassport(userData) {
  passport.use(userData.strategy())
  return passport.authenticate('custom-user-data', { session: false })
}

/** Passport around a strategy that does nothing: what it takes by itself. */
function passportAlone() {
  const user = { id: 'nobody' }
  passport.use({
    name: 'nothing',
    authenticate() {
      this.success(user)
    },
  })
  return passport.authenticate('nothing', { session: false })
}

/** A call of the middleware with the next request; it must have been let through, at once. */
function createHit(middleware, token, count = REQUESTS) {
  const app = express()
  const requests = Array.from({ length: count }, () => createRequest(app, token))
  let index = 0
  let passed = 0
  const next = error => {
    if (error) throw error
    passed++
  }
  return function hit() {
    const req = requests[index++ & (count - 1)]
    req.user = undefined
    const before = passed
    middleware(req, undefined, next)
    if (passed === before || req.user === undefined) throw new Error('This was no hit.')
  }
}

/** The same on requests that nobody has touched yet, so that `user` is added and not set. */
function onNewRequests(middleware, token) {
  const app = express()
  const next = () => {}
  return function* newRequests() {
    yield {
      0: () => createRequest(app, token),
      bench: req => middleware(req, undefined, next),
    }
  }
}

function createRequest(app, token) {
  const req = Object.setPrototypeOf(new IncomingMessage(undefined), app.request)
  const texts = [...HEADERS, `Bearer ${token}`].map(text => Buffer.from(text, 'latin1').latin1Slice())
  // As the parser does it; `headers` is made of them when it is read first.
  req._addHeaderLines(texts, texts.length)
  return req
}
