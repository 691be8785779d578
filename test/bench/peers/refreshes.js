// The refresh route, called without HTTP, beside bare loops over the same MongoDB.
import { createHash, randomBytes } from 'node:crypto'
import { createInstance } from './apps/ours.js'
import { connect, userIdOf } from './database.js'
import { alternate } from './loops.js'
import { createKeys, signToken } from './tokens.js'
import { answerParent } from './worker.js'

const MAJORITY = { writeConcern: { w: 'majority' } }
const digest = text => createHash('sha256').update(text).digest('base64url')

answerParent({
  async run({ plan, ...setup }) {
    const { db, profiles } = await connect(setup)
    const keys = createKeys('HS256')
    const indexes = Array.from({ length: plan.concurrency }, (_, index) => index)
    const refresh = await createRefresh(createInstance({ profiles, keys }), indexes)
    const exchange = await createExchange(db.collection('bare_sessions'), indexes)
    return alternate(
      {
        ours: refresh,
        async bare(index) {
          const { userId } = await exchange(index)
          await profiles.findOne({ userId })
          signToken(keys, userId)
        },
        compareAndSet: exchange,
      },
      plan,
    )
  },
})

/** Each index is a client that holds a session and refreshes with what it got last. */
async function createRefresh(userData, indexes) {
  await userData.ready()
  const answers = await Promise.all(indexes.map(index => userData.issueTokens(userIdOf(index))))
  const route = userData.refresh()
  return async index => {
    answers[index] = await call(route, { refresh_token: answers[index].refresh_token })
  }
}

/** A route's answer to a body that the app's own parser has read. */
function call(route, body) {
  return new Promise((resolve, reject) => {
    const req = { method: 'POST', headers: { 'content-length': '100' }, body, readableEnded: true }
    let status
    const res = {
      set: () => res,
      status(code) {
        status = code
        return res
      },
      json(answer) {
        if (status === 200) resolve(answer)
        else reject(new Error(`refresh was answered with ${status}: ${JSON.stringify(answer)}`))
      },
    }
    route(req, res, reject)
  })
}

/** What it takes at least: the next token, and one compare-and-set on the hash of the last. */
async function createExchange(sessions, indexes) {
  const expiresAt = new Date(Date.now() + 3_600_000)
  const tokens = indexes.map(() => randomBytes(32).toString('base64url'))
  await sessions.deleteMany({})
  await sessions.insertMany(
    indexes.map(index => ({
      _id: index,
      userId: userIdOf(index),
      current: digest(tokens[index]),
      expiresAt,
    })),
  )
  return async index => {
    const successor = randomBytes(32).toString('base64url')
    const current = digest(tokens[index])
    const now = new Date()
    const session = await sessions.findOneAndUpdate(
      { _id: index, current, expiresAt: { $gt: now } },
      { $set: { current: digest(successor), previous: current, lastUsedAt: now } },
      MAJORITY,
    )
    if (!session) throw new Error('The bare session was lost.')
    tokens[index] = successor
    return session
  }
}
