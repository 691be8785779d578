import type { BSON, ObjectId } from 'mongodb'
import { toObjectId } from '../ids.js'
import { isDuplicateKey, OwnCollection } from '../own-collection.js'
import type { StoreConfig } from '../own-collection.js'
import { isIdentity, ofIdentity, toIdentity } from './stored-user.js'
import type { Metadata, ProviderType, StoredUser, VerifiedIdentity } from './stored-user.js'
import { alive, DAY_MS, OURS, seenAt, toKnownUser, toReservation, USER } from './user-documents.js'

/** A deletion that takes longer has failed in the middle. */
const DELETION_MS = 60_000
/** A user object has few identities; the limit keeps one document from growing without end. */
const MAX_IDENTITIES = 20

interface UserStoreConfig extends StoreConfig {
  readonly bson: () => typeof BSON
}

/** A user who logs in. */
export interface FoundUser {
  readonly user: StoredUser
  /** Whether the creation function has to run before the user exists. */
  readonly isNew: boolean
}

/** The users and their identities. The unique index on identities decides which of two parallel logins creates a user. */
export class UserStore {
  readonly #collection: OwnCollection<StoredUser>
  readonly #bson: () => typeof BSON
  readonly #now: () => number

  constructor({ find, bson, timeoutMs, now }: UserStoreConfig) {
    this.#bson = bson
    this.#now = now
    this.#collection = new OwnCollection({
      find,
      mark: USER,
      timeoutMs,
      indexes: [
        {
          fields: { 'identities.provider_type': 1, 'identities.id': 1 },
          options: { unique: true, name: 'identity' },
        },
        { fields: { expiresAt: 1 }, options: { expireAfterSeconds: 0, name: 'anonymous_expiry' } },
      ],
    })
  }

  /** Makes the indexes. */
  ready(): Promise<void> {
    return this.#collection.ready()
  }

  /** The user with an id; `undefined` if the id is no ObjectId, or if there is no such user. */
  async findById(userId: string): Promise<StoredUser | undefined> {
    const _id = this.#toId(userId)
    if (!_id) return undefined
    const user = await this.#collection.run(users => users.findOne({ ...OURS, _id, ...alive(this.#now()) }))
    return user ?? undefined
  }

  /** The user with an identity; `undefined` if there is none. */
  async findByIdentity(providerType: ProviderType, id: string): Promise<StoredUser | undefined> {
    const user = await this.#collection.run(users =>
      users.findOne({ ...OURS, ...ofIdentity(providerType, id), ...alive(this.#now()) }),
    )
    return user ?? undefined
  }

  /**
   * Finds the user of an identity and notes what the provider says now. Without a user it reserves the identity for a new
   * one. Parallel first logins get the same reservation, so they create one user.
   * @returns `undefined` while the user of the identity is being deleted
   */
  async findOrReserve(identity: VerifiedIdentity): Promise<FoundUser | undefined> {
    const { providerType, id, data } = identity
    const found = await this.#see(providerType, id, data)
    if (found) return toFoundUser(found)
    const user = toReservation(identity, this.#bson(), this.#now())
    try {
      await this.#collection.run(users => users.insertOne(user))
      return { user, isNew: true }
    } catch (error) {
      const other = isDuplicateKey(error) ? await this.#see(providerType, id, data) : undefined
      if (!other) throw error
      return toFoundUser(other)
    }
  }

  /** Makes a reserved user exist. Resolves to whether this call did it, so that one of several runs the trigger. */
  async activate(user: StoredUser): Promise<boolean> {
    const { modifiedCount } = await this.#collection.run(users =>
      users.updateOne(
        { ...OURS, _id: user._id, createdAt: null },
        { $set: { createdAt: new Date(this.#now()) } },
      ),
    )
    return modifiedCount === 1
  }

  /** Gives a reservation up, because the creation function refused the user. */
  async discard(user: StoredUser): Promise<void> {
    await this.#collection.run(users => users.deleteOne({ ...OURS, _id: user._id, createdAt: null }))
  }

  /** Adds an identity to a user. An anonymous user who gets another identity does not end by itself any more. */
  async addIdentity(
    userId: string,
    identity: VerifiedIdentity,
  ): Promise<'added' | 'taken' | 'full' | 'gone'> {
    const _id = this.#toId(userId)
    if (!_id) return 'gone'
    const { providerType, id } = identity
    try {
      const { matchedCount } = await this.#collection.run(users =>
        users.updateOne(
          {
            ...OURS,
            _id,
            ...alive(this.#now()),
            // The unique index compares users. It takes the same identity twice within one user.
            identities: { $not: { $elemMatch: { provider_type: providerType, id } } },
            [`identities.${MAX_IDENTITIES - 1}`]: { $exists: false },
          },
          { $push: { identities: toIdentity(identity) }, $unset: { expiresAt: 1 } },
        ),
      )
      if (matchedCount === 1) return 'added'
    } catch (error) {
      if (isDuplicateKey(error)) return 'taken'
      throw error
    }
    const user = await this.findById(userId)
    if (!user) return 'gone'
    return user.identities.some(own => isIdentity(own, identity)) ? 'added' : 'full'
  }

  /** Takes an identity from a user again, because its credentials have changed meanwhile. */
  async removeIdentity(userId: string, { providerType, id }: VerifiedIdentity): Promise<void> {
    const _id = this.#toId(userId)
    if (!_id) return
    await this.#collection.run(users =>
      users.updateOne({ ...OURS, _id }, { $pull: { identities: { provider_type: providerType, id } } }),
    )
  }

  /**
   * Notes that a user refreshes. A write happens once a day at most.
   * @returns `undefined` if there is no such user any more
   */
  async touch(userId: string): Promise<StoredUser | undefined> {
    const user = await this.findById(userId)
    if (!user || this.#now() - user.lastSeenAt.getTime() < DAY_MS) return user
    await this.#collection.run(users =>
      users.updateOne(
        // A link meanwhile has ended the expiry of an anonymous user, and it must not come back.
        { ...OURS, _id: user._id, expiresAt: { $exists: user.expiresAt !== undefined } },
        { $set: seenAt(this.#now(), user.expiresAt !== undefined) },
      ),
    )
    return user
  }

  /** Begins the deletion of a user, or finds one that has begun. `undefined` if there is no such user. */
  async markDeleted(userId: string): Promise<StoredUser | undefined> {
    const _id = this.#toId(userId)
    if (!_id) return undefined
    const user = await this.#collection.run(users =>
      users.findOneAndUpdate(
        { ...OURS, _id, createdAt: { $ne: null } },
        { $set: { deletedAt: new Date(this.#now()) } },
        { returnDocument: 'after', includeResultMetadata: false },
      ),
    )
    return user ?? undefined
  }

  /** The user with an identity whose deletion has failed in the middle. */
  async findHalfDeleted({ providerType, id }: VerifiedIdentity): Promise<StoredUser | undefined> {
    const deletedAt = { $lt: new Date(this.#now() - DELETION_MS) }
    const user = await this.#collection.run(users =>
      users.findOne({ ...OURS, ...ofIdentity(providerType, id), deletedAt }),
    )
    return user ?? undefined
  }

  /** Removes a user whose deletion has begun. Resolves to whether this call removed the user. */
  async removeMarked(userId: string): Promise<boolean> {
    const _id = this.#toId(userId)
    if (!_id) return false
    const { deletedCount } = await this.#collection.run(users =>
      users.deleteOne({ ...OURS, _id, deletedAt: { $exists: true } }),
    )
    return deletedCount === 1
  }

  /** Stores a user whose id is known, for users of an earlier service. Resolves to whether the id and identities were free. */
  async insert(userId: string, identities: readonly VerifiedIdentity[]): Promise<boolean> {
    const user = toKnownUser(userId, identities, this.#bson(), this.#now())
    try {
      await this.#collection.run(users => users.insertOne(user))
      return true
    } catch (error) {
      if (isDuplicateKey(error)) return false
      throw error
    }
  }

  async #see(providerType: ProviderType, id: string, data: Metadata): Promise<StoredUser | undefined> {
    const isAnonymous = providerType === 'anon-user'
    const user = await this.#collection.run(users =>
      users.findOneAndUpdate(
        { ...OURS, ...ofIdentity(providerType, id) },
        { $set: { 'identities.$.data': data, ...seenAt(this.#now(), isAnonymous) } },
        { returnDocument: 'after', includeResultMetadata: false },
      ),
    )
    return user ?? undefined
  }

  #toId(userId: string): ObjectId | undefined {
    return toObjectId(userId, this.#bson())
  }
}

function toFoundUser(user: StoredUser): FoundUser | undefined {
  return user.deletedAt ? undefined : { user, isNew: user.createdAt === null }
}
