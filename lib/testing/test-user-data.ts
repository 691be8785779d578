import { randomBytes } from 'node:crypto'
import { isSubject } from '../access-tokens/claims.js'
import { requireUserId } from '../access-tokens/user-id.js'
import type { ChecksOption } from '../checks/check-codes.js'
import { createCustomUserData } from '../create-custom-user-data.js'
import { OptionError } from '../errors.js'
import type { CustomUserData } from '../instance.js'
import type { TeamBson } from '../mongo/team-bson.js'
import type { CustomUserDataOptions, OptionsWithoutKeys } from '../options/options.js'
import { parseWatchOptions } from '../options/writes.js'
import type { CustomDataOf, DeepReadonly, DefaultDocument, KnownDocument } from '../types.js'
import { systemClock } from '../util/clock.js'
import { describeType, describeValue } from '../util/describe-value.js'
import { isPlainObject } from '../util/plain-object.js'
import { requireUserIdValues, toFirstDocumentId, toNewDocument } from '../writing/new-document.js'
import type { NewIdentity } from '../writing/new-document.js'
import { findInstalledBson } from './installed-bson.js'
import { PlainDatabase } from './plain-database.js'
import { needsRealMongoDb } from './real-mongodb.js'
import { requireTestRun } from './refuse-production.js'

/**
 * Options that a test instance does not take, with the only value that they may have. They concern keys and collections of
 * a real instance.
 */
const REFUSED = {
  collection: undefined,
  secret: undefined,
  keys: undefined,
  sessionSecrets: undefined,
  sessionCollection: undefined,
  loginAttemptCollection: undefined,
  changeStreams: 'off',
  loginThrottle: false,
  maxSessionsPerUser: false,
} as const

/**
 * Options of {@link createTestUserData}: `documents`, and the options of `createCustomUserData()` that need neither keys nor a
 * collection. Give the same `projection`, `schema` or `requireDocument` as your app does.
 */
export interface TestUserDataOptions<Data extends object> extends Omit<
  OptionsWithoutKeys<Data>,
  keyof typeof REFUSED | 'issuer' | 'audience' | 'clientId' | 'checks'
> {
  /**
   * The users' documents by user id. They are copied. As in MongoDB, each document gets an `_id` and the user id field. That
   * field holds the user's id as a text, or the first value of `toFieldValues`.
   *
   * @default {}
   * @example { alice: { plan: 'pro' }, bob: {} }
   */
  readonly documents?: Readonly<Record<string, Partial<Data>>> | undefined
  /**
   * The issuer of the tokens.
   * @default 'https://issuer.test'
   */
  readonly issuer?: string | undefined
  /**
   * The audience of the tokens.
   * @default 'https://api.test'
   */
  readonly audience?: string | readonly string[] | undefined
  /**
   * The claim `client_id` of the tokens.
   * @default the first audience
   */
  readonly clientId?: string | undefined
  /**
   * Which checks of the set-up run, as for `createCustomUserData()`. With `true` a test also warns of mistakes in the app, such
   * as a login behind the guard.
   * @default false, because apps of tests are often incomplete
   */
  readonly checks?: ChecksOption | undefined
}

/** Puts the document of a user in the place of the one before it. */
export type PutDocument = (userId: string, document: unknown) => void

const documentsOf = new WeakMap<object, PutDocument>()

/** Gives access to the documents of a test instance; `undefined` for any other instance. */
export function findPutDocument(userData: object): PutDocument | undefined {
  return documentsOf.get(userData)
}

/**
 * Creates an instance for the tests of your app, without MongoDB and without your keys. Its guards, snapshots and tokens are
 * those of `createCustomUserData()`. Only the collection is another: a plain object in this process. So the methods that read
 * work: `authenticate()`, `attach()`, `allow()`, `strategy()`, `verifyToken()`, `refreshCustomData()` and `ready()`.
 * `issueTokens()` and `login()` issue tokens that this instance alone accepts. `forUser(id)` reads, replaces and deletes, and
 * updates by `$set` and `$unset`. Filters compare equal values, by `$eq`, `$ne`, `$in`, `$exists`, `$not`, `$and` and
 * `$nor`. All other commands reject with `real_mongodb_needed`, which says how to get a MongoDB.
 *
 * Each instance has a random secret and documents of its own, so tests do not disturb each other.
 *
 * @typeParam Data the documents, which type `customData`, as for `createCustomUserData()`
 * @throws {OptionError} `invalid_option` for a wrong, unknown or refused option; TypeError if a key of `documents` is no user
 * id, or a document names another user; `testing_in_production` if `NODE_ENV` is `production`
 * @example
 * const userData = createTestUserData<Profile>({ documents: { alice: { plan: 'paid' } } })
 * const app = createApp(userData)
 * await request(app).get('/me').set('Authorization', `Bearer ${await tokenFor(userData, 'alice')}`).expect(200)
 */
export function createTestUserData<Data extends object = DefaultDocument>(
  options: TestUserDataOptions<Data> & { readonly requireDocument: true },
): CustomUserData<DeepReadonly<KnownDocument<Data>>>
export function createTestUserData<Data extends object = DefaultDocument>(
  options?: TestUserDataOptions<Data>,
): CustomUserData<CustomDataOf<KnownDocument<Data>>>
export function createTestUserData(options: TestUserDataOptions<object> = {}): CustomUserData<object> {
  requireTestRun('createTestUserData()')
  const { documents = {}, bson = findInstalledBson(), checks = false, ...given } = parseOptions(options)
  const { userIdField = 'userId', toFieldValues, clock = systemClock } = given
  const { ObjectId } = bson as unknown as TeamBson
  const database = new PlainDatabase(bson as unknown as TeamBson, () => clock.now())
  const collection = database.collection('custom_user_data')
  const userData = createCustomUserData({
    issuer: 'https://issuer.test',
    audience: 'https://api.test',
    ...given,
    checks,
    loginThrottle: false,
    maxSessionsPerUser: false,
    bson,
    collection,
    secret: randomBytes(32),
  } as CustomUserDataOptions<object>)

  collection.addUniqueIndex('user_id', userIdField)
  const put: PutDocument = (userId, document) => {
    requireUserId('createTestUserData()', userId, { isUserId: isSubject })
    if (!isPlainObject(document)) {
      throw new OptionError(
        `createTestUserData: the document of ${describeValue(userId)} is ${describeType(document)}. Write an object of fields.`,
      )
    }
    const { _id: ownId, ...fields } = document as Record<string, unknown>
    const userIdValue = toFieldValues ? requireUserIdValues(toFieldValues(userId))[0] : userId
    const ownOrFirst = ownId ?? ObjectId.createFromHexString(toFirstDocumentId(userId))
    const documentId = ownOrFirst as NewIdentity['documentId']
    collection.put(toNewDocument({ documentId, userIdValue }, fields, userIdField), userIdField)
    userData.invalidate(userId)
  }
  for (const [userId, document] of Object.entries(documents)) put(userId, document)
  const testUserData = { ...userData, forUser: withoutWatch(userData.forUser) }
  documentsOf.set(testUserData, put)
  return testUserData
}

/** A plain object has no change streams. */
function withoutWatch(forUser: CustomUserData<object>['forUser']): CustomUserData<object>['forUser'] {
  return userId => ({
    ...forUser(userId),
    // eslint-disable-next-line @typescript-eslint/require-await -- a wrong option rejects, as it does with MongoDB
    async watch(options) {
      parseWatchOptions(options)
      throw needsRealMongoDb('forUser().watch()')
    },
  })
}

/** The options of `createCustomUserData()` are checked there. */
function parseOptions(options: unknown): TestUserDataOptions<object> {
  if (!isPlainObject(options)) {
    throw new OptionError(
      `createTestUserData: the options are ${describeType(options)}. Write an object, e.g. { documents: { alice: {} } }.`,
    )
  }
  for (const [name, allowed] of Object.entries(REFUSED)) {
    const value: unknown = Reflect.get(options, name)
    if (value === undefined || value === allowed) continue
    const instead =
      allowed === undefined
        ? 'Leave it out: the instance has keys and documents of its own'
        : `Leave it out or write ${JSON.stringify(allowed)}: it needs a collection of MongoDB`
    throw new OptionError(
      `createTestUserData: a test instance does not take the option "${name}". ${instead}.`,
    )
  }
  const { documents = {} } = options as TestUserDataOptions<object>
  if (!isPlainObject(documents)) {
    throw new OptionError(
      `createTestUserData: option "documents": write an object of documents by user id, e.g. { alice: { plan: "pro" } } ` +
        `(given: ${describeType(documents)}).`,
    )
  }
  return options
}
