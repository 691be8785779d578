import type { BSON, Filter, ObjectId } from 'mongodb'
import { toObjectId } from '../../ids.js'
import { isDuplicateKey, MARK, OwnCollection } from '../../own-collection.js'
import type { StoreConfig } from '../../own-collection.js'
import { hashSecret, newSecret } from '../../secrets.js'
import { AppServicesError } from '../../wire/errors.js'

const API_KEY = 'app_services_api_key'
const OURS = { [MARK]: API_KEY } as const
/** As in App Services. */
const MAX_KEYS = 20
/** The sessions of a key that can be ended at once. When a further session begins, the oldest one ends. */
const MAX_SESSIONS = 500
/** A slot or a name is lost to a parallel call. Each loss means that another call has won, so this is never reached. */
const MAX_ATTEMPTS = 5 * MAX_KEYS
const KEY = /^[0-9a-f]{64}$/

/** An API key as stored. */
export interface StoredApiKey {
  readonly _id: ObjectId
  readonly expressCustomUserData: 'app_services_api_key'
  /** The owner. */
  readonly userId: string
  /** A number from 0 to 19 that no other key of the user has. A unique index on it limits the keys of a user. */
  readonly slot: number
  readonly name: string
  /** The SHA-256 of the key, in hex. */
  readonly hash: string
  readonly disabled: boolean
  readonly createdAt: Date
  /** The sessions that began with the key, oldest first. */
  readonly sessions: readonly string[]
}

/** A key that was just made. Its text is known only now. */
export interface NewApiKey {
  readonly stored: StoredApiKey
  readonly key: string
}

interface ApiKeyStoreConfig extends StoreConfig {
  readonly bson: () => typeof BSON
}

/** The API keys of users, and the sessions that began with them. */
export class ApiKeyStore {
  readonly #collection: OwnCollection<StoredApiKey>
  readonly #bson: () => typeof BSON
  readonly #now: () => number

  constructor({ find, bson, timeoutMs, now }: ApiKeyStoreConfig) {
    this.#bson = bson
    this.#now = now
    this.#collection = new OwnCollection({
      find,
      mark: API_KEY,
      timeoutMs,
      indexes: [
        { fields: { hash: 1 }, options: { unique: true, name: 'api_key_hash' } },
        { fields: { userId: 1, name: 1 }, options: { unique: true, name: 'api_key_name' } },
        { fields: { userId: 1, slot: 1 }, options: { unique: true, name: 'api_key_slot' } },
      ],
    })
  }

  /** Makes the indexes. */
  ready(): Promise<void> {
    return this.#collection.ready()
  }

  /**
   * Makes a key.
   * @throws AppServicesError `APIKeyAlreadyExists` for a name that the user has given to a key; `LimitExceeded`
   */
  async create(userId: string, name: string): Promise<NewApiKey> {
    const key = newSecret()
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const stored = this.#toNewKey(userId, name, key, await this.list(userId))
      try {
        await this.#collection.run(keys => keys.insertOne(stored))
        return { stored, key }
      } catch (error) {
        if (!isDuplicateKey(error)) throw error
      }
    }
    throw new Error('No slot for the API key was free in time.')
  }

  /** The keys of a user, oldest first. */
  list(userId: string): Promise<StoredApiKey[]> {
    return this.#collection.run(keys =>
      keys
        .find({ ...OURS, userId })
        .sort({ createdAt: 1, _id: 1 })
        .toArray(),
    )
  }

  /** One key of a user; `undefined` for an unknown id, and for a key of another user. */
  async find(userId: string, keyId: string): Promise<StoredApiKey | undefined> {
    const filter = this.#ofUser(userId, keyId)
    return filter && ((await this.#collection.run(keys => keys.findOne(filter))) ?? undefined)
  }

  /** The key with this text, if it is not disabled. */
  async findByText(key: string): Promise<StoredApiKey | undefined> {
    if (!KEY.test(key)) return undefined
    const found = await this.#collection.run(keys =>
      keys.findOne({ ...OURS, hash: hashSecret(key), disabled: false }),
    )
    return found ?? undefined
  }

  /** Enables or disables a key. Resolves to the key, or `undefined` if the user has no such key. */
  async setDisabled(userId: string, keyId: string, disabled: boolean): Promise<StoredApiKey | undefined> {
    const filter = this.#ofUser(userId, keyId)
    if (!filter) return undefined
    const key = await this.#collection.run(keys =>
      keys.findOneAndUpdate(
        filter,
        { $set: { disabled } },
        { returnDocument: 'after', includeResultMetadata: false },
      ),
    )
    return key ?? undefined
  }

  /** Removes a key. */
  async remove({ _id }: StoredApiKey): Promise<void> {
    await this.#collection.run(keys => keys.deleteOne({ ...OURS, _id }))
  }

  /** Removes the keys of a user. */
  async removeAll(userId: string): Promise<void> {
    await this.#collection.run(keys => keys.deleteMany({ ...OURS, userId }))
  }

  /**
   * Notes a session that began with a key.
   * @returns the sessions to end, so that the list does not grow without end; `undefined` if the key was disabled or removed
   */
  async addSession({ _id }: StoredApiKey, sid: string): Promise<readonly string[] | undefined> {
    const before = await this.#collection.run(keys =>
      keys.findOneAndUpdate(
        { ...OURS, _id, disabled: false },
        { $push: { sessions: { $each: [sid], $slice: -MAX_SESSIONS } } },
        { returnDocument: 'before', includeResultMetadata: false },
      ),
    )
    if (!before) return undefined
    return before.sessions.slice(0, Math.max(0, before.sessions.length + 1 - MAX_SESSIONS))
  }

  /** Whether a session may go on, because its key is there and not disabled. */
  async hasSession(userId: string, sid: string): Promise<boolean> {
    const key = await this.#collection.run(keys =>
      keys.findOne({ ...OURS, userId, disabled: false, sessions: sid } as Filter<StoredApiKey>, {
        projection: { _id: 1 },
      }),
    )
    return key !== null
  }

  /** Forgets sessions that have ended. */
  async forgetSessions(userId: string, sids: readonly string[]): Promise<void> {
    await this.#collection.run(keys =>
      keys.updateMany(
        { ...OURS, userId, sessions: { $in: [...sids] } },
        {
          $pull: { sessions: { $in: [...sids] } },
        },
      ),
    )
  }

  #toNewKey(userId: string, name: string, key: string, others: readonly StoredApiKey[]): StoredApiKey {
    if (others.some(other => other.name === name))
      throw new AppServicesError('APIKeyAlreadyExists', 'an API key with this name already exists')
    const taken = new Set(others.map(({ slot }) => slot))
    const free = Array.from({ length: MAX_KEYS }, (_, slot) => slot).filter(slot => !taken.has(slot))
    // A random slot, so that parallel calls seldom want the same one.
    const slot = free[Math.floor(Math.random() * free.length)]
    if (slot === undefined)
      throw new AppServicesError('LimitExceeded', `a user can have ${MAX_KEYS} API keys at most`, {
        status: 400,
      })
    return {
      _id: new (this.#bson().ObjectId)(),
      ...OURS,
      userId,
      slot,
      name,
      hash: hashSecret(key),
      disabled: false,
      createdAt: new Date(this.#now()),
      sessions: [],
    }
  }

  #ofUser(userId: string, keyId: string) {
    const _id = toObjectId(keyId, this.#bson())
    return _id && { ...OURS, _id, userId }
  }
}
