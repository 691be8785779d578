import type { Collection, Db } from 'mongodb'
import { isServerRefusal } from '../mongo/server-errors.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import { withDeadline } from '../util/deadline.js'
import type { SetUpWarnings } from './set-up-warnings.js'
import { rightsOf } from './feature-rights.js'
import type { Feature, NeededAction, RightsTarget } from './feature-rights.js'

/** The collections of an instance that rights are needed on. */
export type RightsCollections = Readonly<Record<InstanceTarget, () => Promise<Collection>>>

/** A collection of an instance. The collections of users are given to its methods. */
type InstanceTarget = Exclude<RightsTarget, 'users'>

/** A privilege as the server tells it. An empty name stands for every database or every collection. */
export interface Privilege {
  readonly resource: { readonly db?: string; readonly collection?: string; readonly anyResource?: boolean }
  readonly actions: readonly string[]
}

/** A collection of the instance by its name, or a collection that the team gave to one feature. */
type Target = InstanceTarget | (() => Promise<Collection>)

/** The features that need each action on one collection. */
type Needs = Map<NeededAction, Set<string>>

interface MissingRight {
  readonly action: NeededAction
  readonly namespace: string
  readonly features: ReadonlySet<string>
}

/**
 * The rights that the features in use need at MongoDB, and the check whether the database user has them. A missing right
 * would otherwise be noticed by the first user who needs it.
 */
export class NeededRights {
  readonly #needs = new Map<Target, Needs>()
  readonly #warned = new Set<string>()

  /**
   * Notes that a feature is in use.
   *
   * @param users the collection of users, for a feature that needs one
   */
  add(feature: Feature, users?: () => Promise<Collection>): void {
    for (const [name, actions] of rightsOf(feature)) {
      const of = name === 'users' ? users : name
      if (of !== undefined) this.#need(feature, of, actions)
    }
  }

  #need(feature: Feature, of: Target, actions: readonly NeededAction[]): void {
    const needs: Needs = this.#needs.get(of) ?? new Map<NeededAction, Set<string>>()
    this.#needs.set(of, needs)
    for (const action of actions) needs.set(action, (needs.get(action) ?? new Set<string>()).add(feature))
  }

  /**
   * Warns once about each right that is missing. Says nothing if the server has no users or does not tell their rights:
   * then a missing right is an error of the command that needs it. A collection that cannot be asked about hides no warning
   * about another collection.
   */
  async check(
    collections: RightsCollections,
    timeoutMs: number,
    warnings: Pick<SetUpWarnings, 'isOff' | 'each'>,
  ): Promise<void> {
    if (warnings.isOff('database_right_missing')) return
    const results = await Promise.allSettled(
      [...this.#needs].map(([of, needs]) => {
        const find = typeof of === 'function' ? of : collections[of]
        return withDeadline(timeoutMs, async signal => findMissing(await find(), needs, signal))
      }),
    )
    const missing = results.flatMap(result => (result.status === 'fulfilled' ? result.value : []))
    for (const right of missing) this.#warnOnce(right, warnings)
  }

  #warnOnce({ action, namespace, features }: MissingRight, warnings: Pick<SetUpWarnings, 'each'>): void {
    const key = `${action} ${namespace}`
    if (this.#warned.has(key)) return
    this.#warned.add(key)
    const message =
      `The database user has no right "${action}" on ${namespace}, which ${[...features].join(', ')} ` +
      `${features.size === 1 ? 'needs' : 'need'}. Grant it: docs/production.md of this package has a role for each ` +
      'feature. Or remove that feature.'
    warnings.each({ code: 'database_right_missing', message })
  }
}

async function findMissing(
  collection: Collection,
  needs: Needs,
  signal: AbortSignal,
): Promise<MissingRight[]> {
  const privileges = await readPrivileges(collection, signal)
  if (!privileges) return []
  const { namespace } = collection
  return [...needs].flatMap(([action, features]) =>
    isGranted(privileges, collection, action) ? [] : [{ action, namespace, features }],
  )
}

/** The privileges of the database user; `undefined` if the server has no users, or does not tell (strict stable API). */
export async function readPrivileges(
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

/** Whether an action on a collection is granted. */
export function isGranted(
  privileges: readonly Privilege[],
  { dbName, collectionName }: Pick<Collection, 'dbName' | 'collectionName'>,
  action: string,
): boolean {
  return privileges.some(
    ({ resource: { anyResource, db, collection }, actions }) =>
      (anyResource === true ||
        ((db === '' || db === dbName) && (collection === '' || collection === collectionName))) &&
      // Clusters can grant all actions by one name.
      (actions.includes(action) || actions.includes('anyAction')),
  )
}
