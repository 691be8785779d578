import type { Db, MongoClient } from 'mongodb'
import { OptionError } from '../../errors.js'
import { refuseOldDriver } from '../../mongo/driver-version.js'
import { hostsOf } from '../../mongo/team-database.js'
import { withDeadline } from '../../util/deadline.js'
import { describeForLog } from '../../util/redaction.js'
import { describeThrown } from '../../util/thrown.js'
import type { Finding, SurveyResult } from '../../checks/surveys/survey.js'
import { findAppDriver } from './app-driver.js'
import { adviseOnConnection } from './connection-advice.js'
import type { SeenServer } from './connection-advice.js'
import type { Report } from './report.js'

/** An open connection. */
export interface Connection {
  readonly client: MongoClient
  readonly db: Db
  /** The hosts as `host:port`, without credentials. */
  readonly hosts: string
  /** Whether the address or an option names the database. */
  readonly isDatabaseNamed: boolean
}

interface ConnectTarget {
  readonly uri: string
  readonly cwd: string
  readonly database: string | undefined
  readonly collection: string
  readonly connectTimeoutMs: number
}

/** How much later than the driver this command gives up. The driver knows the reason, so it should speak first. */
const GRACE_MS = 2_000
/** How long the goodbye to the servers may take. */
const CLOSE_MS = 2_000

/** Connects with the driver of the app, and adds both to the report. `undefined` if that is not possible. */
export async function connect(target: ConnectTarget, report: Report): Promise<Connection | undefined> {
  const driver = findAppDriver(target.cwd)
  if (!driver) {
    report.add('driver', failed('none', DRIVER_MISSING))
    return undefined
  }
  const { version, from } = driver
  const says = `mongodb ${version} ${from}`
  const facts = { driver: { version, from } }
  const opened = open(driver.MongoClient, target)
  if ('code' in opened) {
    const isDriver = opened.code === 'driver_too_old'
    report.add('driver', { says, facts, findings: isDriver ? [opened] : [] })
    if (!isDriver) report.add('server', failed('no connection', opened))
    return undefined
  }
  report.add('driver', { says, facts, findings: [] })
  return connectInTime(opened, target, report)
}

/** Creates the client, which connects to nothing yet. */
function open(
  Client: typeof MongoClient,
  { uri, database, collection, connectTimeoutMs }: ConnectTarget,
): Connection | Finding {
  try {
    const client = new Client(uri, {
      appName: 'express-custom-user-data doctor',
      serverSelectionTimeoutMS: connectTimeoutMs,
      connectTimeoutMS: connectTimeoutMs,
      maxPoolSize: 2,
    })
    const db = client.db(database)
    const opened = db.collection(collection)
    refuseOldDriver(opened, 'collection')
    const isDatabaseNamed = database !== undefined || namesDatabase(uri)
    return { client, db, hosts: hostsOf(opened), isDatabaseNamed }
  } catch (error) {
    if (error instanceof OptionError) return { code: 'driver_too_old', message: error.message }
    const message = `The address of MongoDB cannot be used: ${describeSafely(error, uri)}. Correct it.`
    return { code: 'connection_failed', message }
  }
}

async function connectInTime(
  opened: Connection,
  { uri, connectTimeoutMs }: ConnectTarget,
  report: Report,
): Promise<Connection | undefined> {
  const { client, hosts } = opened
  const servers: SeenServer[] = []
  client.on('serverHeartbeatSucceeded', ({ connectionId, reply }) =>
    servers.push({ address: connectionId, setName: reply['setName'] }),
  )
  const startedAt = performance.now()
  try {
    await withDeadline(connectTimeoutMs + GRACE_MS, () => client.connect())
    // The checks may take long, and nobody reads the later heartbeats.
    client.removeAllListeners('serverHeartbeatSucceeded')
  } catch (error) {
    await close(opened)
    const advice = adviseOnConnection(error, { servers, replicaSet: client.options.replicaSet })
    const message = `There is no connection to MongoDB at ${hosts}: ${describeSafely(error, uri)}. ${advice}`
    const result = failed(`no connection to ${hosts}`, { code: 'connection_failed', message })
    report.add('connection', { ...result, facts: { connection: { hosts, ms: null } } })
    return undefined
  }
  const ms = Math.round(performance.now() - startedAt)
  const facts = { connection: { hosts, database: opened.db.databaseName, ms } }
  report.add('connection', { says: `to ${hosts} in ${ms} ms`, findings: [], facts })
  return opened
}

/** Closes the connection. A server that does not answer must not hold up the report. */
export async function close({ client }: Pick<Connection, 'client'>): Promise<void> {
  await withDeadline(CLOSE_MS, () => client.close()).catch(() => undefined)
}

const DRIVER_MISSING: Finding = {
  code: 'driver_missing',
  message:
    'No module "mongodb" can be loaded from the current folder, neither one of the app nor one of its mongoose. Run this ' +
    'command in the folder of your app, after npm install.',
}

function failed(says: string, finding: Finding): SurveyResult {
  return { says, findings: [finding], facts: {} }
}

/**
 * The text of an error of the driver. Drivers before 7 quote an address that they cannot read, and a part of a password that
 * holds an `@` would survive any other redaction, so such a text is left out.
 */
export function describeSafely(error: unknown, uri: string): string {
  const text = describeForLog(error)
  const thrown = describeThrown(error)
  if (secretsIn(uri).some(secret => thrown.includes(secret))) {
    const { name = 'an error' } = Object(error) as { readonly name?: string }
    return `${name}, whose text is not shown because it quotes the address`
  }
  return text.replace(/\.+$/, '')
}

/** The driver does not tell whether `test` was written or is its default. */
function namesDatabase(uri: string): boolean {
  return /^[^:]*:\/\/[^/?]*\/[^?]/.test(uri)
}

/** The address, its user and password, and the values of options that hold passwords and tokens. */
function secretsIn(uri: string): string[] {
  const [, userInfo = ''] = /^[^:]*:\/\/([^/?]*)@/.exec(uri) ?? []
  const [, password = ''] = /^[^:]*:(.*)$/s.exec(userInfo) ?? []
  const query = [...new URLSearchParams(uri.split('?')[1] ?? '')]
  const values = query.filter(([name]) => /password|properties/i.test(name)).map(([, value]) => value)
  return [uri, userInfo, password, decode(password), ...values].filter(secret => secret !== '')
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
