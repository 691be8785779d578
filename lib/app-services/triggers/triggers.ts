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

/** Runs the triggers of the team. */
export class Triggers {
  readonly #triggers: readonly TriggerOptions[]
  readonly #config: TriggersConfig
  readonly #running = new Set<Promise<void>>()

  constructor(triggers: readonly TriggerOptions[], config: TriggersConfig) {
    this.#triggers = triggers
    this.#config = config
  }

  /** Runs the triggers of an event after the answer. None of them waits for another. */
  fire(operationType: TriggerOperation, providers: readonly ProviderType[], user: UserObject): void {
    const time = this.#config.now()
    for (const [index, trigger] of this.#triggers.entries()) {
      if (trigger.operationType !== operationType) continue
      if (trigger.providers && !providers.some(provider => trigger.providers?.includes(provider))) continue
      this.#runLater(trigger, index, () => ({
        operationType,
        providers: [...providers],
        user: freshCopy(user, this.#config.bson()),
        time: new Date(time),
      }))
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

  #runLater(trigger: TriggerOptions, index: number, makeEvent: () => TriggerEvent): void {
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
    makeEvent: () => TriggerEvent,
  ): Promise<void> {
    try {
      await handler(makeEvent())
    } catch (cause) {
      const label = name === undefined ? `triggers.${index}` : `triggers.${index} "${name}"`
      this.#config.report(new Error(`The trigger ${label} (${operationType}) failed.`, { cause }))
    }
  }
}
