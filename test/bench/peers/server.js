// One server of a pair: an Express app on loopback, in a process of its own.
import { createServer } from 'node:http'
import { once } from 'node:events'
import { connect } from './database.js'
import { createGreetingApp } from './apps/greeting.js'
import { answerParent } from './worker.js'

// Only what a candidate needs is loaded into its process.
const SOURCES = [
  [/^ours /, async () => (await import('./apps/ours.js')).oursApps],
  [/^(express-session|better-auth)/, async () => (await import('./apps/session-peers.js')).sessionPeers],
  [/./, async () => (await import('./apps/jwt-peers.js')).jwtPeers],
]

const yes = () => 'en'
/** Nobody is authenticated. */
const PLAIN = {
  base: () =>
    function doNothing(_req, _res, next) {
      next()
    },
  'one property on req': () =>
    function addProperty(req, _res, next) {
      req.user = undefined
      next()
    },
  'one property on a prepared req': async () => {
    const { avoidHiddenClasses } = await import('../../../dist/authenticate/hidden-classes.js')
    return function addProperty(req, _res, next) {
      avoidHiddenClasses(req)
      req.user = undefined
      next()
    }
  },
}

let database

async function createApp(name, setup) {
  if (name === 'bare') return { app: createGreetingApp(yes) }
  const context = await connect(setup)
  database = context.db
  if (name in PLAIN) return { app: createGreetingApp(yes, await PLAIN[name]()) }
  const [, load] = SOURCES.find(([pattern]) => pattern.test(name))
  return (await load())[name](context)
}

answerParent({
  /** Starts; answers with the port and the headers that the candidate's clients send. */
  async start({ name, ...setup }) {
    process.env.NODE_ENV = 'production'
    const { app, signIn = () => [{}] } = await createApp(name, setup)
    const server = createServer({ keepAliveTimeout: 120_000 }, app).listen(0, '127.0.0.1', 4096)
    await once(server, 'listening')
    const { port } = server.address()
    return { port, headers: await signIn(`http://127.0.0.1:${port}`) }
  },
  /** Microseconds of processor time so far. */
  usage() {
    const { user, system } = process.cpuUsage()
    return user + system
  },
  /** Queries that MongoDB has answered so far, for all servers. */
  async reads() {
    const { metrics } = await database.command({ serverStatus: 1 })
    return ['find', 'aggregate', 'count'].reduce((sum, name) => sum + metrics.commands[name].total, 0)
  },
})
