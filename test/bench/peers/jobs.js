// What is done beside the servers: data, cold tokens, and queries as the server counted them.
import { connect, seed, userIdOf } from './database.js'
import { signColdToken } from './tokens.js'
import { answerParent } from './worker.js'

let db
let profiles

answerParent({
  async seed({ users, ...setup }) {
    const connected = await connect(setup)
    db = connected.db
    profiles = connected.profiles
    await db.dropDatabase()
    await seed(db, users)
  },
  dropDatabase: () => db.dropDatabase(),
  /** What the machine runs MongoDB with. */
  async serverVersion() {
    return (await db.admin().serverInfo()).version
  },
  coldToken: ({ user }) => signColdToken(userIdOf(user)),
  /** From now on the server writes down every operation on the database. */
  async startCounting() {
    await db.command({ profile: 0 })
    await db.collection('system.profile').drop()
    await db.command({ profile: 2 })
  },
  /** The reads of the users' documents since then. */
  async stopCounting() {
    await db.command({ profile: 0 })
    const isRead = {
      $or: [{ 'command.find': { $exists: true } }, { 'command.aggregate': { $exists: true } }],
    }
    return db.collection('system.profile').countDocuments({ ns: profiles.namespace, ...isRead })
  },
})
