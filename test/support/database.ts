import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import type { CommandStartedEvent, Db, Document, MongoClientOptions } from 'mongodb'
import { inject, vi } from 'vitest'

/** One command that the driver sent. */
export interface SentCommand {
  /** As `find`, `aggregate`, `insert`. */
  name: string
  /** The command's whole document. */
  command: Document
}

/** The commands that a client has sent, oldest first. */
class SentCommands extends Array<SentCommand> {
  /** Those with one of these names. */
  named(...names: string[]): SentCommand[] {
    return [...this].filter(({ name }) => names.includes(name))
  }

  /** The loads of users' documents: reads that say which way they take. */
  loads(): SentCommand[] {
    return this.named('find', 'aggregate').filter(isLoad)
  }

  /** Forgets all so far. */
  clear(): void {
    this.length = 0
  }
}

/** Whether a command loads a user's document. */
function isLoad({ command }: Pick<SentCommand, 'command'>): boolean {
  return 'hint' in command
}

/** A database of its own for one test file. */
export interface TestDatabase {
  client: MongoClient
  db: Db
  commands: SentCommands
  /** Drops the database and closes the client. */
  close: () => Promise<void>
}

/** Client options, and which way to the server. */
export interface OpenDatabaseOptions extends MongoClientOptions {
  /** Another server than the one the run shares. */
  uri?: string
  /** Loopback port of a TCP proxy in front of the server: connect there, and only there. */
  proxyPort?: number
}

/** Connects to the run's MongoDB, with a fresh database name and every command recorded. */
export async function openDatabase(options: OpenDatabaseOptions = {}): Promise<TestDatabase> {
  const { uri = inject('mongoUri'), proxyPort, ...clientOptions } = options
  const address = proxyPort === undefined ? uri : throughProxy(uri, proxyPort)
  const client = new MongoClient(address, { ...clientOptions, monitorCommands: true })
  const commands = recordCommands(client)
  // One that has little patience of its own may need more than one attempt.
  await vi.waitFor(() => client.connect(), { timeout: 15_000 })
  const db = client.db(`test_${randomBytes(6).toString('hex')}`)
  const close = async () => {
    await db.dropDatabase()
    await client.close()
  }
  return { client, db, commands, close }
}

function recordCommands(client: MongoClient): SentCommands {
  const commands = new SentCommands()
  client.on('commandStarted', ({ commandName, command }: CommandStartedEvent) => {
    commands.push({ name: commandName, command })
  })
  return commands
}

/** The direct connection keeps the driver from learning, and then using, the servers' own addresses. */
function throughProxy(uri: string, port: number): string {
  const proxied = new URL(uri.replace(/^(mongodb:\/\/(?:[^@/]*@)?)[^/?]+/, `$1127.0.0.1:${port}`))
  proxied.searchParams.set('directConnection', 'true')
  return proxied.href
}
