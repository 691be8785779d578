import type { Clock } from './clock.js'

/** How long lines of one kind are only counted after one was printed. */
const QUIET_MS = 60_000

/** One kind of line: when it was printed last, and how often it was due since then. */
interface Kind {
  printedAt: number
  suppressed: number
}

/**
 * Prints at most one line a minute of each kind. A line tells how many of its kind were left out before it. Nothing is
 * printed later by a timer: a timer that a request starts would keep that request in memory.
 */
export class RepeatedLines {
  readonly #kinds = new Map<string, Kind>()
  readonly #clock: Pick<Clock, 'monotonic'>

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Calls `print` if a line is due, and otherwise counts the line. `print` gets the end of the line, which tells the count. */
  add(kind: string, print: (count: string) => void): void {
    const now = this.#clock.monotonic()
    const known = this.#kinds.get(kind)
    if (known && now - known.printedAt < QUIET_MS) {
      known.suppressed++
      return
    }
    const suppressed = known?.suppressed ?? 0
    this.#kinds.set(kind, { printedAt: now, suppressed: 0 })
    print(suppressed > 0 ? ` (${suppressed + 1} times since the last line)` : '')
  }
}
