import { CustomUserDataError, toCallbackError } from '../errors.js'

/**
 * Calls a callback of the team that has to return its value at once. A promise of any kind is refused, whatever it resolves
 * to, and its outcome is ignored, because an unhandled rejection would end the process.
 *
 * @param name what the error names, as `login(): account`
 * @param toRefusal makes the error for a promise
 * @throws `callback_failed` where the callback throws or, unless `toRefusal` says otherwise, returns a promise
 */
export function callAtOnce<T>(name: string, callback: () => T, toRefusal = refuseAsync): T {
  let value: T
  try {
    value = callback()
    if (!isThenable(value)) return value
  } catch (cause) {
    throw toCallbackError(name, cause)
  }
  void ignoreOutcome(value)
  throw toRefusal(name)
}

/** Whether a value would be awaited, whoever's promise it is. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  const isHolder = (typeof value === 'object' && value !== null) || typeof value === 'function'
  return isHolder && 'then' in value && typeof value.then === 'function'
}

function refuseAsync(name: string): CustomUserDataError {
  return new CustomUserDataError(
    'callback_failed',
    `${name} returned a promise, which is not awaited. The callback must not be async: return the value itself.`,
  )
}

async function ignoreOutcome(refused: PromiseLike<unknown>): Promise<void> {
  try {
    await refused
  } catch {
    // The call was refused already, for a reason that the team can see.
  }
}
