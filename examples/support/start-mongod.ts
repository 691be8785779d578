import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { MongoMemoryReplSet } from 'mongodb-memory-server-core'
import { findMongod } from './find-mongod.js'

/** The address of a MongoDB, and how to be done with it. */
export interface MongoHandle {
  uri: string
  /** Ends the server if it was started here, and deletes its data. */
  stop: () => Promise<void>
}

/** A replica set started here. */
export interface StartedMongod extends MongoHandle {
  /** The members, for tests that stop one or make the primary step down. */
  replSet: MongoMemoryReplSet
}

/** How {@link startMongod} starts the members. */
export interface StartMongodOptions {
  /** Members of the replica set; 1 by default. */
  count?: number
  /** Further arguments of every mongod, as `['--setParameter', 'enableTestCommands=1']`. */
  args?: string[]
}

/**
 * Starts a replica set (WiredTiger, loopback, free ports, an empty temporary folder) and waits for its primary. Each
 * mongod has a watchdog that ends it within seconds of this process's death, whatever that was.
 */
export async function startMongod({ count = 1, args = [] }: StartMongodOptions = {}): Promise<StartedMongod> {
  const systemBinary = await findMongod()
  const replSet = await MongoMemoryReplSet.create({
    // The memory server warns when the binary is not of the version asked for: ask for the one it has.
    binary: { systemBinary, version: await versionOf(systemBinary) },
    replSet: {
      count,
      args,
      ip: '127.0.0.1',
      storageEngine: 'wiredTiger',
      // A process group of its own: Ctrl-C reaches whoever started it, and they stop it when they are done with it.
      spawn: { detached: true },
    },
  })
  return {
    uri: replSet.getUri(),
    replSet,
    stop: async () => {
      await replSet.stop({ doCleanup: true, force: true })
    },
  }
}

/** The server that `MONGODB_URI` names, or else a mongod started for the occasion. */
export async function resolveMongoUri(): Promise<MongoHandle> {
  const uri = process.env['MONGODB_URI'] ?? ''
  return uri === '' ? startMongod() : { uri, stop: () => Promise.resolve() }
}

async function versionOf(mongod: string): Promise<string> {
  const { stdout } = await promisify(execFile)(mongod, ['--version'])
  const version = /db version v(\d+\.\d+\.\d+)/.exec(stdout)?.[1]
  if (version === undefined) throw new Error(`${mongod} --version does not say a version: ${stdout}`)
  return version
}
