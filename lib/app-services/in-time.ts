/**
 * Runs an operation, and stops waiting for it after a time. The operation itself goes on.
 *
 * @param toError makes the error of an operation that takes longer
 * @param afterwards runs after that error is thrown
 */
export async function inTime<Result>(
  timeoutMs: number,
  operate: () => Result | PromiseLike<Result>,
  toError: () => Error,
  afterwards?: (error: Error) => void,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = toError()
      reject(error)
      afterwards?.(error)
    }, timeoutMs)
  })
  try {
    return await Promise.race([(async () => operate())(), late])
  } finally {
    clearTimeout(timer)
  }
}
