import type { BSON } from 'mongodb'
import type { AfterAnswers } from '../after-answers.js'
import type { ProviderType } from '../users/stored-user.js'
import type { UserObject } from '../users/user-object.js'
import { freshCopy } from '../wire/fresh-copy.js'
import type { TriggerEvent, TriggerOperation, TriggerOptions } from './trigger-options.js'

interface TriggersConfig {
  readonly afterAnswers: AfterAnswers
  readonly bson: () => typeof BSON
  readonly now: () => number
  readonly report: (error: unknown) => void
}

type ReadUser = () => Promise<UserObject | undefined>
type MakeEvent = () => Promise<TriggerEvent | undefined>

/** Runs the triggers of the team. */
export class Triggers {
  readonly #triggers: readonly TriggerOptions[]
  readonly #config: TriggersConfig

  constructor(triggers: readonly TriggerOptions[], config: TriggersConfig) {
    this.#triggers = triggers
    this.#config = config
  }

  /**
   * Runs the triggers of an event after the answer. None of them waits for another.
   *
   * @param user the user, or a function that reads the user after the answer, if there is a trigger. Without a user no trigger
   * runs
   */
  fire(
    operationType: TriggerOperation,
    providers: readonly ProviderType[],
    user: UserObject | ReadUser,
  ): void {
    const time = this.#config.now()
    let read: Promise<UserObject | undefined> | undefined
    for (const [index, trigger] of this.#triggers.entries()) {
      if (trigger.operationType !== operationType) continue
      if (trigger.providers && !providers.some(provider => trigger.providers?.includes(provider))) continue
      const makeEvent: MakeEvent = async () => {
        read ??= Promise.resolve(typeof user === 'function' ? user() : user)
        const found = await read
        if (!found) return undefined
        const copy = freshCopy(found, this.#config.bson())
        return { operationType, providers: [...providers], user: copy, time: new Date(time) }
      }
      const { afterAnswers, report } = this.#config
      afterAnswers.run(() => this.#run(trigger, index, makeEvent), report)
    }
  }

  async #run(
    { handler, name, operationType }: TriggerOptions,
    index: number,
    makeEvent: MakeEvent,
  ): Promise<void> {
    try {
      const event = await makeEvent()
      if (event) await handler(event)
    } catch (cause) {
      const label = name === undefined ? `triggers.${index}` : `triggers.${index} "${name}"`
      this.#config.report(new Error(`The trigger ${label} (${operationType}) failed.`, { cause }))
    }
  }
}
