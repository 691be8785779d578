import type { BSON } from 'mongodb'
import type { ProviderType } from '../users/stored-user.js'
import type { UserObject } from '../users/user-object.js'
import { freshCopy } from '../wire/fresh-copy.js'
import type { TriggerEvent, TriggerOperation, TriggerOptions } from './trigger-options.js'

interface TriggersConfig {
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
  readonly #running = new Set<Promise<void>>()

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
      this.#runLater(trigger, index, async () => {
        read ??= Promise.resolve(typeof user === 'function' ? user() : user)
        const found = await read
        if (!found) return undefined
        const copy = freshCopy(found, this.#config.bson())
        return { operationType, providers: [...providers], user: copy, time: new Date(time) }
      })
    }
  }

  /** Resolves when the triggers that run have ended, or after a time. */
  async finish(maxMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => {
      timer = setTimeout(resolve, maxMs)
    })
    await Promise.race([Promise.all(this.#running), late])
    clearTimeout(timer)
  }

  #runLater(trigger: TriggerOptions, index: number, makeEvent: MakeEvent): void {
    const run = new Promise<void>(resolve => {
      setImmediate(() => {
        resolve(this.#run(trigger, index, makeEvent))
      })
    }).finally(() => this.#running.delete(run))
    this.#running.add(run)
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
