import { CustomUserDataError, toCallbackError } from '../errors.js'

/**
 * Calls a synchronous callback of the team. A promise of any kind is refused, whatever it resolves to. Its outcome is
 * ignored, because an unhandled rejection would end the process.
 *
 * @param name the callback in the error message, such as `login(): account`
 * @param toRefusal creates the error for a promise
 * @throws `callback_failed` if the callback throws or returns a promise; for a promise `toRefusal` can create another error
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

/** Whether `await` would wait for a value: a promise of Node, or of any library. */
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
    // The call was refused already, so the team knows of the mistake.
  }
}
