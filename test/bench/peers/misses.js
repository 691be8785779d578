// A token that nobody has seen costs one verification and one query: beside a loop that does just these.
import jwt from 'jsonwebtoken'
import { createInstance } from './apps/ours.js'
import { connect, USERS, userIdOf } from './database.js'
import { alternate } from './loops.js'
import { AUDIENCE, createKeys, ISSUER, signColdToken } from './tokens.js'
import { answerParent } from './worker.js'

answerParent({
  async run({ plan, users = USERS, ...setup }) {
    const { profiles } = await connect(setup)
    const keys = createKeys('HS256')
    const userData = createInstance({ profiles, keys })
    await userData.ready()
    const checks = { algorithms: ['HS256'], issuer: ISSUER, audience: AUDIENCE }
    let serial = 0
    // Signing is a part of both loops, and the same.
    const nextToken = () => signColdToken(userIdOf(serial++ % users))
    return alternate(
      {
        ours: () => userData.verifyToken(nextToken()),
        bare: () => profiles.findOne({ userId: jwt.verify(nextToken(), keys.verifyWith, checks).sub }),
      },
      plan,
    )
  },
})
