import type { Db, Document } from 'mongodb'
import type { Events } from '../events.js'
import { PLAIN_BSON } from './team-database.js'

/** Rejection of a read that was sent to a server which is not the primary. */
class NotPrimaryError extends Error {
  override readonly name = 'NotPrimaryError'
}

interface DirectClient {
  readonly options?: { readonly directConnection?: boolean }
  db(name: string): Db
}

/** The instances that have warned already. */
const warned = new WeakSet<Events>()

const directClients = new WeakMap<object, boolean>()

/**
 * Runs a read, and refuses its result if the server is not the primary. A client with `directConnection: true` also reads
 * from a secondary, despite `readPreference: 'primary'`. The data of a secondary may be old, so a revoked session may still
 * look alive there.
 *
 * The server is asked at the same time as the read, and only if the client has that option. Rejects with a
 * {@link NotPrimaryError}. The first rejection of an instance also warns with `server_not_primary`.
 */
export function readFromPrimary<T>(
  collection: { readonly dbName: string },
  { signal, events }: { readonly signal: AbortSignal; readonly events: Events },
  read: () => Promise<T>,
): Promise<T> {
  const client = clientOf(collection)
  if (!client || !isDirect(client)) return read()
  return readBesideHello(client.db(collection.dbName), { signal, events }, read)
}

async function readBesideHello<T>(
  db: Db,
  { signal, events }: { readonly signal: AbortSignal; readonly events: Events },
  read: () => Promise<T>,
): Promise<T> {
  // Wait for both, so that a refused read keeps its place in the limit of loads until the driver has finished it.
  const [result, hello] = await Promise.allSettled([
    read(),
    db.command({ hello: 1 }, { ...PLAIN_BSON, signal }),
  ])
  if (hello.status === 'fulfilled' && hello.value['isWritablePrimary'] !== true) {
    warnOnce(events, hello.value)
    // Driver 5.9 does not permit a secondary to answer, so its read was refused by the server.
    throw new NotPrimaryError('The server that the client is connected to is not the primary.', {
      cause: result.status === 'rejected' ? result.reason : undefined,
    })
  }
  if (result.status === 'rejected') throw result.reason
  if (hello.status === 'rejected') throw hello.reason
  return result.value
}

function clientOf(collection: object): DirectClient | undefined {
  return (collection as { readonly client?: DirectClient }).client
}

/** The answer is remembered, because the driver copies all options of a client each time they are read. */
function isDirect(client: DirectClient): boolean {
  const known = directClients.get(client)
  if (known !== undefined) return known
  const direct = client.options?.directConnection === true
  directClients.set(client, direct)
  return direct
}

function warnOnce(events: Events, { me, primary }: Document): void {
  if (warned.has(events)) return
  warned.add(events)
  const where = typeof me === 'string' ? ` ${me}` : ''
  const instead = typeof primary === 'string' ? ` (now ${primary})` : ''
  events.warn({
    code: 'server_not_primary',
    message:
      `The server${where} is not the primary${instead}, and the MongoClient has directConnection=true, so its data may be old. ` +
      'Requests for custom data and sessions are answered with 503. Remove directConnection=true from the connection ' +
      'string, and name the replica set in it: mongodb://host1,host2/?replicaSet=name',
  })
}
