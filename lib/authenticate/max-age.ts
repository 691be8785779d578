import { OptionError } from '../errors.js'

/** What a route can ask of the data that it is given. */
export interface MaxAgeOption {
  /**
   * Oldest data that this route takes, in milliseconds since its load began: a copy that is older is read anew, for this
   * request and those that follow with its token. 0 reads now. Default: the copy serves, whatever its age.
   */
  readonly maxAgeMs?: number
}

/** Checks `maxAgeMs` when a middleware is created. */
export function parseMaxAge(callee: string, { maxAgeMs }: MaxAgeOption): number | undefined {
  const isAge = typeof maxAgeMs === 'number' && Number.isFinite(maxAgeMs) && maxAgeMs >= 0
  if (maxAgeMs === undefined || isAge) return maxAgeMs
  throw new OptionError(`${callee}: option "maxAgeMs": write milliseconds, 0 or more; 0 reads now.`)
}
