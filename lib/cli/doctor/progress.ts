import { showCount, showShare } from '../../checks/surveys/in-words.js'
import type { Terminal } from '../terminal.js'

/** How often the bar of a terminal is drawn again. */
const DRAW_EVERY_MS = 100
/** How often a line is written where there is no terminal. */
const WRITE_EVERY_MS = 10_000
const BAR_WIDTH = 24

/**
 * Shows how far a long check is, on standard error: as a bar at a terminal, otherwise as a line every ten seconds. A JSON
 * report gets no lines, because a script reads it.
 */
export class Progress {
  readonly #terminal: Pick<Terminal, 'stderr' | 'clock'>
  readonly #isSilent: boolean
  readonly #everyMs: number
  #shownAt: number
  #hasBar = false

  constructor(terminal: Pick<Terminal, 'stderr' | 'clock'>, isJson: boolean) {
    this.#terminal = terminal
    const isTerminal = terminal.stderr.isTTY === true
    this.#isSilent = isJson && !isTerminal
    this.#everyMs = isTerminal ? DRAW_EVERY_MS : WRITE_EVERY_MS
    this.#shownAt = terminal.clock.monotonic()
  }

  /** Shows at a terminal which check has begun, because some checks are one long command without progress. */
  begin(name: string): void {
    if (this.#terminal.stderr.isTTY === true) this.#draw(`${name}…`)
  }

  #draw(text: string): void {
    this.#hasBar = true
    this.#terminal.stderr.write(`\r\x1b[K${text}`)
  }

  /** Reports that a part of a check is done. */
  report(name: string, done: number, total: number | undefined): void {
    const { stderr, clock } = this.#terminal
    if (this.#isSilent || clock.monotonic() - this.#shownAt < this.#everyMs) return
    this.#shownAt = clock.monotonic()
    if (stderr.isTTY === true) {
      this.#draw(`${toBar(done, total)}${name}: ${toText(done, total)}`)
    } else {
      stderr.write(`${name}: ${toText(done, total)}\n`)
    }
  }

  /** Removes the bar, so that the report begins on an empty line. */
  clear(): void {
    if (this.#hasBar) this.#terminal.stderr.write('\r\x1b[K')
    this.#hasBar = false
  }
}

function toBar(done: number, total: number | undefined): string {
  if (total === undefined || total === 0) return ''
  const full = Math.min(BAR_WIDTH, Math.floor((BAR_WIDTH * done) / total))
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_WIDTH - full)}] `
}

/** The total is an estimate, so more may be done than there seemed to be. */
function toText(done: number, total: number | undefined): string {
  if (total === undefined || total < done) return `${showCount(done)} read`
  return `${showCount(done)} of ${showCount(total)} read (${showShare(done, total)})`
}
