import { LRUCache } from 'lru-cache'
import { toClientNetwork } from '../util/client-address.js'
import type { Clock } from '../util/clock.js'

/** Addresses that are remembered. Each takes about 200 bytes. Beyond this number the least recently used are forgotten. */
const MAX_REMEMBERED = 10_000

interface AddressLimitConfig {
  /** How often an address may fail in a window. */
  readonly failures: number
  readonly windowMs: number
}

interface Window {
  count: number
  /** On the monotonic clock. */
  readonly endsAt: number
}

/**
 * Counts the failures of each address (an IPv6 /64) in this process, in a window that begins with the first failure. The
 * memory is bounded, whatever strangers send.
 */
export class AddressLimit {
  readonly #config: AddressLimitConfig
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #windows = new LRUCache<string, Window>({ max: MAX_REMEMBERED })

  constructor(config: AddressLimitConfig, clock: Pick<Clock, 'monotonic'>) {
    this.#config = config
    this.#clock = clock
  }

  /**
   * Counts a failure in advance, so that parallel attempts cannot all pass. Clients without an address, such as those of a
   * Unix socket, have no limit: they would all share it.
   * @returns a function that takes the failure back, or the milliseconds until the address may try again
   */
  count(address: string | undefined): (() => void) | number {
    const { failures, windowMs } = this.#config
    const key = toClientNetwork(address) ?? ''
    if (key === '') return () => undefined
    const now = this.#clock.monotonic()
    const last = this.#windows.get(key)
    const window = last && now < last.endsAt ? last : { count: 0, endsAt: now + windowMs }
    if (window.count >= failures) return window.endsAt - now
    window.count++
    this.#windows.set(key, window)
    return () => {
      window.count--
    }
  }
}
