import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import type { CommandStartedEvent, Db, Document, MongoClientOptions } from 'mongodb'
import { afterAll, beforeAll, inject, onTestFinished, vi } from 'vitest'
import { startTcpProxy } from './tcp-proxy.js'
import type { TcpProxy } from './tcp-proxy.js'

/** One command that the driver sent. */
export interface SentCommand {
  /** For example `find`, `aggregate` or `insert`. */
  name: string
  /** The whole command document. */
  command: Document
}

/** The commands that a client has sent, oldest first. */
class SentCommands extends Array<SentCommand> {
  /** The commands with one of these names. */
  named(...names: string[]): SentCommand[] {
    return [...this].filter(({ name }) => names.includes(name))
  }

  /** The loads of users' documents. Only loads give the server an index hint. */
  loads(): SentCommand[] {
    return this.named('find', 'aggregate').filter(({ command }) => 'hint' in command)
  }

  /** Forgets the commands so far. */
  clear(): void {
    this.length = 0
  }
}

/** A client of a real MongoDB, and one database of it. */
export interface TestDatabase {
  /** The address of the server. */
  readonly uri: string
  readonly client: MongoClient
  readonly db: Db
  /** The commands that {@link client} has sent. */
  readonly commands: SentCommands
  /** Drops the database and closes the client. */
  readonly close: () => Promise<void>
}

/** Client options, and which server to connect to. */
export interface OpenDatabaseOptions extends MongoClientOptions {
  /** Another server than the MongoDB that all test files of the run share. */
  uri?: string
  /** Loopback port of a TCP proxy in front of the server. The client connects there, and only there. */
  proxyPort?: number
}

/** Connects to MongoDB. The database has a fresh name, and the client records every command. */
export async function openDatabase(options: OpenDatabaseOptions = {}): Promise<TestDatabase> {
  const { uri: server = inject('mongoUri'), proxyPort, ...clientOptions } = options
  const uri = proxyPort === undefined ? server : throughProxy(server, proxyPort)
  const { client, commands } = await connect(uri, clientOptions)
  const db = client.db(`test_${randomBytes(6).toString('hex')}`)
  const close = async () => {
    await db.dropDatabase()
    await client.close()
  }
  return { uri, client, db, commands, close }
}

/**
 * Opens a database before the tests of a file or `describe` block, and drops it after them.
 *
 * @example
 * const database = useDatabase()
 * it('has no documents', async () => {
 *   expect(await database.db.collection('things').countDocuments()).toBe(0)
 * })
 */
export function useDatabase(options: OpenDatabaseOptions = {}): TestDatabase {
  return openForAll(() => openDatabase(options))
}

/** A client whose connection to the server goes through a proxy, where tests inject faults. */
export interface ProxiedDatabase extends TestDatabase {
  readonly proxy: TcpProxy
  /** Ends every fault, and closes the client and the proxy. The database belongs to the direct client, and stays. */
  readonly close: () => Promise<void>
}

/** Registers what must be undone in the end, like `onTestFinished` of vitest. */
export type CleanUp = (undo: () => void | Promise<void>) => void

/** Opens a database a second time, through a proxy, until the test has finished or `cleanUp` undoes it. */
export async function openProxiedDatabase(
  direct: TestDatabase,
  options: MongoClientOptions = {},
  cleanUp: CleanUp = onTestFinished,
): Promise<ProxiedDatabase> {
  const { host, port } = await primaryAddress(direct.client)
  const proxy = await startTcpProxy(host, port)
  const uri = throughProxy(direct.uri, proxy.port)
  const { client, commands } = await connect(uri, options)
  const close = async () => {
    await proxy.restore()
    await client.close()
    await proxy.close()
  }
  cleanUp(close)
  return { uri, client, db: client.db(direct.db.databaseName), commands, proxy, close }
}

/** Opens a database a second time, through a proxy, for the tests of a file or `describe` block. */
export function useProxiedDatabase(direct: TestDatabase, options: MongoClientOptions = {}): ProxiedDatabase {
  return openForAll(() => openProxiedDatabase(direct, options, () => undefined))
}

/** Gives an object whose members are those of the opened one, because hooks run later than the call. */
function openForAll<T extends TestDatabase>(open: () => Promise<T>): T {
  let opened: T | undefined
  beforeAll(async () => {
    opened = await open()
  })
  afterAll(() => opened?.close())
  return new Proxy({} as T, {
    get(_target, name) {
      if (opened) return opened[name as keyof T]
      throw new Error('The database is open only in tests and hooks. Read its members there.')
    },
  })
}

async function connect(
  uri: string,
  options: MongoClientOptions,
): Promise<{ client: MongoClient; commands: SentCommands }> {
  const client = new MongoClient(uri, { ...options, monitorCommands: true })
  const commands = recordCommands(client)
  // A client with short time limits may need more than one attempt.
  await vi.waitFor(() => client.connect(), { timeout: 15_000 })
  return { client, commands }
}

function recordCommands(client: MongoClient): SentCommands {
  const commands = new SentCommands()
  client.on('commandStarted', ({ commandName, command }: CommandStartedEvent) => {
    commands.push({ name: commandName, command })
  })
  return commands
}

/** The direct connection keeps the driver from learning the servers' own addresses, which it would then use. */
export function throughProxy(uri: string, port: number): string {
  const proxied = new URL(uri.replace(/^(mongodb:\/\/(?:[^@/]*@)?)[^/?]+/, `$1127.0.0.1:${port}`))
  proxied.searchParams.set('directConnection', 'true')
  return proxied.href
}

/** Host and port of the primary that a client uses. */
export async function primaryAddress(client: MongoClient): Promise<{ host: string; port: number }> {
  const { primary, me } = await client.db('admin').command({ hello: 1 })
  const [, host = '127.0.0.1', port = '27017'] = /^(.*):(\d+)$/.exec(String(primary ?? me)) ?? []
  return { host, port: Number(port) }
}
