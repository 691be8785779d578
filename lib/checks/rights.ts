import type { Collection, Db } from 'mongodb'
import type { Events } from '../events.js'
import { isServerRefusal } from '../mongo/server-errors.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import { withDeadline } from '../util/deadline.js'

/** A collection in which rights are needed, by the name of its part. */
export type RightsTarget = 'custom_data' | 'sessions' | 'login_attempts'

/** An action of MongoDB that is needed on a collection. */
export type NeededAction = 'find' | 'listIndexes' | 'insert' | 'update' | 'remove' | 'changeStream'

/** The collections that rights are needed on. */
export type RightsCollections = Readonly<Record<RightsTarget, () => Promise<Collection>>>

/** A privilege as the server tells it. An empty name stands for every database or every collection. */
interface Privilege {
  readonly resource: { readonly db?: string; readonly collection?: string; readonly anyResource?: boolean }
  readonly actions: readonly string[]
}

interface Need {
  readonly feature: string
  readonly of: RightsTarget
  readonly action: NeededAction
}

/**
 * The rights that the features in use need at MongoDB, and the check whether the database user has them. A missing right
 * would otherwise be noticed by the first user who needs it.
 */
export class NeededRights {
  readonly #needs = new Map<string, Need>()
  readonly #warned = new Set<string>()

  /** Notes that a feature is in use. `feature` is an option or a method, which the warning names. */
  add(feature: string, of: RightsTarget, ...actions: readonly NeededAction[]): void {
    for (const action of actions) this.#needs.set(`${feature} ${of} ${action}`, { feature, of, action })
  }

  /**
   * Warns once about each right that is missing. Says nothing if the server has no users or does not tell their rights:
   * then a missing right is an error of the command that needs it.
   */
  async check(collections: RightsCollections, timeoutMs: number, events: Events): Promise<void> {
    const missing = new Map<
      string,
      { readonly need: Need; readonly namespace: string; features: Set<string> }
    >()
    const needs = [...this.#needs.values()]
    for (const of of new Set(needs.map(need => need.of))) {
      const collection = await collections[of]()
      const privileges = await withDeadline(timeoutMs, signal => readPrivileges(collection, signal))
      if (!privileges) continue
      for (const need of needs.filter(other => other.of === of)) {
        if (isGranted(privileges, collection, need.action)) continue
        const key = `${need.action} ${collection.namespace}`
        const found = missing.get(key) ?? { need, namespace: collection.namespace, features: new Set() }
        missing.set(key, { ...found, features: found.features.add(need.feature) })
      }
    }
    for (const [key, { need, namespace, features }] of missing) {
      if (this.#warned.has(key)) continue
      this.#warned.add(key)
      const message =
        `The database user has no right "${need.action}" on ${namespace}, which ${[...features].join(', ')} ` +
        `${features.size === 1 ? 'needs' : 'need'}. Grant it: the README has a role for each feature. Or remove that feature.`
      events.warn({ code: 'database_right_missing', message })
    }
  }
}

/** The privileges of the database user; `undefined` if the server has no users, or does not tell (strict stable API). */
async function readPrivileges(
  collection: Collection,
  signal: AbortSignal,
): Promise<readonly Privilege[] | undefined> {
  const { client } = collection as unknown as { readonly client: { db(name: string): Db } }
  try {
    const { authInfo } = (await client
      .db(collection.dbName)
      .command({ connectionStatus: 1, showPrivileges: true }, { ...PLAIN_BSON, signal })) as unknown as {
      readonly authInfo: {
        readonly authenticatedUsers: readonly unknown[]
        readonly authenticatedUserPrivileges?: readonly Privilege[]
      }
    }
    return authInfo.authenticatedUsers.length === 0 ? undefined : authInfo.authenticatedUserPrivileges
  } catch (error) {
    if (isServerRefusal(error)) return undefined
    throw error
  }
}

function isGranted(
  privileges: readonly Privilege[],
  { dbName, collectionName }: Pick<Collection, 'dbName' | 'collectionName'>,
  action: string,
): boolean {
  return privileges.some(
    ({ resource: { anyResource, db, collection }, actions }) =>
      (anyResource === true ||
        ((db === '' || db === dbName) && (collection === '' || collection === collectionName))) &&
      actions.includes(action),
  )
}
