/**
 * Shows what the command `doctor` prints about a database with many faults:
 *
 *     node --import tsx test/cli/show-broken.ts
 *
 * Further arguments are passed on, such as `--json`.
 */
import { MongoClient } from 'mongodb'
import { resolveMongoUri } from '../../examples/support/start-mongod.js'
import { runCommand } from '../../lib/cli/run-command.js'
import { systemClock } from '../../lib/util/clock.js'
import { fillBroken, MAX_BYTES } from './databases.js'

const mongo = await resolveMongoUri()
const client = new MongoClient(mongo.uri)
const db = client.db('broken')
await db.dropDatabase()
await fillBroken(db)

const env = { ...process.env, MONGODB_URI: mongo.uri, ACCESS_TOKEN_SECRET: 'your-256-bit-secret' }
const args = ['--database', 'broken', '--collection', 'custom_user_data', '--users', 'users']
const limits = ['--max-document-bytes', String(MAX_BYTES), '--secret-env', 'ACCESS_TOKEN_SECRET']
const terminal = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr }
const code = await runCommand(['doctor', ...args, ...limits, ...process.argv.slice(2)], {
  ...terminal,
  env,
  cwd: process.cwd(),
  clock: systemClock,
})
console.error(`Exit code: ${code}`)

await db.dropDatabase()
await client.close()
await mongo.stop()
