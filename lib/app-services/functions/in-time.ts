import { AppServicesError } from '../wire/errors.js'

/**
 * Calls a function of the team, and stops waiting for it after a time.
 *
 * @param abort tells a function that goes on that nobody waits for it
 * @throws AppServicesError `ExecutionTimeLimitExceeded`; the errors of the function
 */
export async function callInTime<Result>(
  timeoutMs: number,
  abort: (reason: Error) => void,
  operate: () => Result | PromiseLike<Result>,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = new AppServicesError('ExecutionTimeLimitExceeded', 'execution time limit exceeded')
      reject(error)
      abort(error)
    }, timeoutMs)
  })
  try {
    return await Promise.race([(async () => operate())(), late])
  } finally {
    clearTimeout(timer)
  }
}
