import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import type { Db, Document, MongoClientOptions } from 'mongodb'
import { MongoMemoryReplSet } from 'mongodb-memory-server-core'
import { afterAll, beforeAll, onTestFinished, vi } from 'vitest'
import { findMongod } from '../../examples/support/find-mongod.js'

const OWNER = 'owner'
const PASSWORD = 'a password of the tests'

/** Actions on one collection, as MongoDB names them. */
export type Rights = Readonly<Record<string, readonly string[]>>

/** A replica set whose database users have only the rights that a test grants. */
export interface AuthServer {
  /** A database that only the test uses, for a user who may do everything. */
  readonly ownerDb: (name?: string) => Db
  /** The same database for a new user, until the test has finished. The rights are by names of collections. */
  readonly dbWith: (name: string, rights: Rights, options?: MongoClientOptions) => Promise<Db>
  /** The same database for a new user with roles that exist in it. */
  readonly dbWithRoles: (name: string, roles: readonly string[]) => Promise<Db>
}

/** Starts the replica set before the tests of a file or `describe` block, and stops it after them. */
export function useAuthServer(): AuthServer {
  let server: MongoMemoryReplSet | undefined
  let owner: MongoClient | undefined
  beforeAll(async () => {
    // Any version of mongod will do.
    vi.stubEnv('MONGOMS_SYSTEM_BINARY_VERSION_CHECK', 'false')
    server = await MongoMemoryReplSet.create({
      binary: { systemBinary: await findMongod() },
      replSet: {
        count: 1,
        ip: '127.0.0.1',
        storageEngine: 'wiredTiger',
        auth: { enable: true, customRootName: OWNER, customRootPwd: PASSWORD },
      },
    })
    vi.unstubAllEnvs()
    owner = connect(server.getUri(), OWNER)
  })
  afterAll(async () => {
    await owner?.close()
    await server?.stop()
  })

  async function dbOfNewUser(name: string, roles: Document[], options: MongoClientOptions = {}): Promise<Db> {
    const user = `user_${randomBytes(6).toString('hex')}`
    await owner!.db('admin').command({ createUser: user, pwd: PASSWORD, roles })
    const client = connect(server!.getUri(), user, options)
    onTestFinished(() => client.close())
    return client.db(name)
  }

  return {
    ownerDb: (name = `test_${randomBytes(6).toString('hex')}`) => owner!.db(name),
    async dbWith(name, rights, options) {
      const role = `role_${randomBytes(6).toString('hex')}`
      const privileges = Object.entries(rights).map(([collection, actions]) => ({
        resource: { db: name, collection },
        actions,
      }))
      await owner!.db('admin').command({ createRole: role, privileges, roles: [] })
      return dbOfNewUser(name, [{ role, db: 'admin' }], options)
    },
    dbWithRoles: (name, roles) =>
      dbOfNewUser(
        name,
        roles.map(role => ({ role, db: name })),
      ),
  }
}

function connect(uri: string, username: string, options: MongoClientOptions = {}): MongoClient {
  return new MongoClient(uri, { auth: { username, password: PASSWORD }, authSource: 'admin', ...options })
}
