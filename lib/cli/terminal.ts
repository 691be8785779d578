import type { Clock } from '../util/clock.js'

/** A stream that is written to. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  /** The width of a terminal, in characters. */
  readonly columns?: number
}

/** The surroundings of a command. Tests give their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The current folder. */
  readonly cwd: string
  readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean; destroy?(): unknown }
  readonly stdout: Output
  readonly stderr: Output
  readonly clock: Clock
}

/** The exit codes, for scripts. */
export const EXIT = {
  /** Nothing was found. */
  ok: 0,
  found: 1,
  /** The command was written wrongly, or there is no connection. */
  failed: 2,
  /** Ctrl-C, as shells count it. */
  interrupted: 130,
} as const

/** A command that was written wrongly. The message says what to write instead, and shows no secret. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
