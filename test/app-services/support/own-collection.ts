import { Credentials } from 'realm-web'
import type { User } from 'realm-web'
import type { AppServicesOptions } from 'express-custom-user-data/app-services'
import type { TestDatabase } from '../../support/database.js'
import { APP_ID, startRealmService } from './realm-service.js'
import type { RealmService, RealmServiceOptions } from './realm-service.js'

/** The names that the clients of these tests use. */
export const NAMES = { database: 'app', collection: 'custom_user_data' } as const
/** The user id field of instances that do not name one. */
export const ID_FIELD = 'userId'

export type Row = Record<string, unknown>
/** The client wants documents whose `_id` may have any type. */
type ClientRow = Row & { _id: unknown }
type Options = RealmServiceOptions & {
  readonly rules?: NonNullable<AppServicesOptions['customData']>['rules']
}

/** Starts a service whose clients reach the collection of custom data, and logs users in. */
export async function startCollection(
  database: Pick<TestDatabase, 'db'>,
  { rules = 'read-write', service, ...others }: Options = {},
) {
  const started = await startRealmService(database, {
    service: { customData: { ...NAMES, rules }, ...service },
    ...others,
  })
  const logIn = async () => {
    const user = await started.newClient().logIn(Credentials.anonymous())
    return { user, id: user.id, collection: collectionOf(user) }
  }
  return { service: started, logIn, stored: (id: string) => storedOf(database, id) }
}

/** The collection of custom data, as the client has it. */
export function collectionOf(
  user: User,
  { database, collection }: { readonly database: string; readonly collection: string } = NAMES,
) {
  return user.mongoClient('mongodb-atlas').db(database).collection<ClientRow>(collection)
}

/** The documents in MongoDB that belong to a user. */
function storedOf({ db }: Pick<TestDatabase, 'db'>, id: string): Promise<Row[]> {
  return db
    .collection(ID_COLLECTION)
    .find({ [ID_FIELD]: id })
    .toArray()
}

const ID_COLLECTION = 'custom_user_data'

/** Sends an operation that the client cannot send. Resolves to the status and the body of the answer. */
export async function sendOperation(
  { baseUrl }: Pick<RealmService, 'baseUrl'>,
  user: Pick<User, 'accessToken'>,
  name: string,
  args: Row,
  service = 'mongodb-atlas',
): Promise<{ readonly status: number; readonly body: Row }> {
  const response = await fetch(`${baseUrl}/api/client/v2.0/app/${APP_ID}/functions/call`, {
    method: 'POST',
    headers: { authorization: `Bearer ${user.accessToken ?? ''}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name, arguments: [{ ...NAMES, ...args }], service }),
  })
  return { status: response.status, body: (await response.json()) as Row }
}
