import type { TeamBson } from '../mongo/team-bson.js'
import { PlainCollection } from './plain-collection.js'

/** A database whose collections are in this process, with the methods of the driver's `Db` that this package calls. */
export class PlainDatabase {
  readonly databaseName = 'testing'
  readonly client = {
    options: {},
    connect: (): Promise<void> => Promise.resolve(),
    db: (): this => this,
  }
  readonly #bson: TeamBson
  readonly #now: () => number
  readonly #collections = new Map<string, PlainCollection>()

  /** @param now milliseconds since the epoch, which are the time of the server */
  constructor(bson: TeamBson, now: () => number) {
    this.#bson = bson
    this.#now = now
  }

  collection(name: string): PlainCollection {
    const known = this.#collections.get(name)
    if (known) return known
    const created = new PlainCollection({ name, database: this, bson: this.#bson, now: this.#now })
    this.#collections.set(name, created)
    return created
  }

  listCollections({ name }: { readonly name?: string }) {
    const names = [...this.#collections.keys()].filter(known => name === undefined || known === name)
    return { toArray: () => Promise.resolve(names.map(known => ({ name: known }))) }
  }

  /** Answers the question about the rights of the database user: there are no users. */
  command() {
    return Promise.resolve({ authInfo: { authenticatedUsers: [] } })
  }
}
