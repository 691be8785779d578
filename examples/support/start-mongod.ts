import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { MongoMemoryReplSet } from 'mongodb-memory-server-core'
import { findMongod } from './find-mongod.js'

/** The address of a MongoDB, and a function that stops it. */
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
  /** Further arguments of every mongod, such as `['--setParameter', 'enableTestCommands=1']`. */
  args?: string[]
}

/**
 * Starts a replica set (WiredTiger, loopback, free ports, an empty temporary folder) and waits for its primary. Each
 * mongod has a watchdog that ends it within seconds after this process, however this process ended.
 */
export async function startMongod({ count = 1, args = [] }: StartMongodOptions = {}): Promise<StartedMongod> {
  const systemBinary = await findMongod()
  const replSet = await MongoMemoryReplSet.create({
    // mongodb-memory-server warns if the version differs from the binary's, so it gets the version of the binary.
    binary: { systemBinary, version: await versionOf(systemBinary) },
    replSet: {
      count,
      args,
      ip: '127.0.0.1',
      storageEngine: 'wiredTiger',
      // In its own process group, so that Ctrl-C does not reach it. The caller stops it when it is no longer needed.
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

/** The server of `MONGODB_URI`, or else a mongod that is started here. */
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
