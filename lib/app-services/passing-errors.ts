/**
 * The codes of a MongoDB server that starts, stops, changes its role or is too busy. Errors of writes also have a label then,
 * but errors of reads have none.
 */
const PASSING_CODES: ReadonlySet<unknown> = new Set([
  ...[6, 7, 50, 64, 89, 91, 133, 134, 189, 202, 262, 365, 8_000, 9_001, 10_058, 10_107],
  ...[11_600, 11_601, 11_602, 13_435, 13_436, 16_500],
])

/** Labels by which the server or the driver says that the same command may succeed later. */
const PASSING_LABELS = [
  'RetryableWriteError',
  'RetryableError',
  'TransientTransactionError',
  'SystemOverloadedError',
]

/**
 * Errors of the driver about the connection. They are told by their names, because their classes may come from another copy of
 * the driver.
 */
const PASSING_NAMES =
  /^Mongo(?:Network|NetworkTimeout|ServerSelection|PoolCleared|PoolClosed|PoolClearedOnNetwork|WaitQueueTimeout|TopologyClosed|NotConnected|ServerClosed|OperationTimeout|ClientClosed|UnexpectedServerResponse)Error$|^PoolClearedOnNetworkError$/

/** Errors of the socket. Drivers before 6.14 hand some of them on as they are. */
const PASSING_SOCKET_CODES =
  /^(?:ECONNRESET|ECONNREFUSED|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN)$/

/** Whether an error of the driver means that MongoDB is away, and that the same operation may succeed a moment later. */
export function isPassing(error: unknown): boolean {
  const { name, code, errorLabels } = Object(error) as {
    readonly name?: unknown
    readonly code?: unknown
    readonly errorLabels?: unknown
  }
  if (typeof name === 'string' && PASSING_NAMES.test(name)) return true
  if (PASSING_CODES.has(code)) return true
  if (typeof code === 'string' && PASSING_SOCKET_CODES.test(code)) return true
  return Array.isArray(errorLabels) && PASSING_LABELS.some(label => errorLabels.includes(label))
}
