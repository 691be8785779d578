import type { ProviderType } from '../users/stored-user.js'
import type { UserObject } from '../users/user-object.js'

/** What a trigger reacts to. */
export type TriggerOperation = 'LOGIN' | 'CREATE' | 'DELETE' | 'LOGOUT'

/** The argument of a trigger, as App Services had it. `LOGOUT` is an addition of this package. */
export interface TriggerEvent {
  readonly operationType: TriggerOperation
  /** The provider of the login; for `DELETE` all providers of the user. */
  readonly providers: readonly ProviderType[]
  readonly user: UserObject
  readonly time: Date
}

/** A function that runs after the answer to a login, a deletion or a logout. */
export interface TriggerOptions {
  readonly operationType: TriggerOperation
  /**
   * The providers that it reacts to.
   * @default all
   */
  readonly providers?: readonly ProviderType[] | undefined
  /** Its error is reported, and neither delays nor changes an answer. */
  readonly handler: (event: TriggerEvent) => unknown
}

/** Runs the triggers of the team. */
export type Triggers = ReturnType<typeof createTriggers>

/** Creates the calls to the triggers of the team. */
export function createTriggers(
  triggers: readonly TriggerOptions[],
  { now, report }: { readonly now: () => number; readonly report: (error: unknown) => void },
) {
  async function run({ handler }: TriggerOptions, event: TriggerEvent): Promise<void> {
    try {
      await handler(event)
    } catch (error) {
      report(error)
    }
  }

  return {
    /** Runs the triggers of an event after the answer. */
    fire(operationType: TriggerOperation, providers: readonly ProviderType[], user: UserObject): void {
      const time = new Date(now())
      for (const trigger of triggers) {
        if (trigger.operationType !== operationType) continue
        if (trigger.providers && !providers.some(provider => trigger.providers?.includes(provider))) continue
        setImmediate(() => void run(trigger, { operationType, providers, user, time }))
      }
    },
  }
}
