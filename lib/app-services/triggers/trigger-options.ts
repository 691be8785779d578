import * as v from 'valibot'
import { aFunction, aText, membersOf } from '../check-options.js'
import { PROVIDER_TYPES } from '../users/stored-user.js'
import type { ProviderType } from '../users/stored-user.js'
import type { UserObject } from '../users/user-object.js'

/** What a trigger reacts to. */
export type TriggerOperation = 'LOGIN' | 'CREATE' | 'DELETE' | 'LOGOUT'

/** The argument of a trigger, as App Services had it. `LOGOUT` is an addition of this package. Each trigger gets its own copy. */
export interface TriggerEvent {
  /** What has happened. */
  readonly operationType: TriggerOperation
  /** The provider of the login; for `DELETE` all providers of the user. */
  readonly providers: readonly ProviderType[]
  /** The user. `custom_data` is what the new token holds; `{}` for a logout, and for a login that got no token. */
  readonly user: UserObject
  /** When it happened. */
  readonly time: Date
}

/** A function that runs after the answer to a login, a deletion or a logout. */
export interface TriggerOptions {
  /**
   * A name for reports.
   * @default the place in the list
   */
  readonly name?: string | undefined
  /**
   * What the trigger reacts to. `CREATE` begins before the `LOGIN` of the same request, but `LOGIN` does not wait for its end.
   * @example 'LOGIN'
   */
  readonly operationType: TriggerOperation
  /**
   * The providers that the trigger reacts to.
   * @default all
   * @example ['local-userpass', 'custom-token']
   */
  readonly providers?: readonly ProviderType[] | undefined
  /**
   * The function. An error that it throws is reported, and no client gets to see it. It does not run if the process ends before,
   * so call `close()` at the end of a process.
   * @example ({ user, time }) => audit.insertOne({ userId: user.id, time })
   */
  readonly handler: (event: TriggerEvent) => unknown
}

const OPERATIONS = ['LOGIN', 'CREATE', 'DELETE', 'LOGOUT'] as const satisfies readonly TriggerOperation[]

const aProvider = v.picklist<readonly ProviderType[], string>(
  PROVIDER_TYPES,
  `write one of ${PROVIDER_TYPES.join(', ')}`,
)

const trigger = membersOf({
  name: v.optional(aText),
  operationType: v.picklist(OPERATIONS, 'write "LOGIN", "CREATE", "DELETE" or "LOGOUT"'),
  providers: v.optional(
    v.pipe(
      v.array(aProvider, 'write a list of providers'),
      v.nonEmpty('write at least one provider, or leave "providers" out for all'),
    ),
  ),
  handler: aFunction<(event: TriggerEvent) => unknown>(),
})

/** The schema of the option `triggers`. */
export const triggersOption = v.optional(v.array(trigger, 'write a list of triggers'), [])
