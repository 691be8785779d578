/** The error codes of MongoDB that this package handles, by the names that MongoDB gives them. */
export const SERVER_ERRORS = {
  badValue: 2,
  unauthorized: 13,
  overflow: 15,
  authenticationFailed: 18,
  namespaceNotFound: 26,
  indexNotFound: 27,
  maxTimeMSExpired: 50,
  optionsConflict: 85,
  keySpecsConflict: 86,
  unsatisfiableWriteConcern: 100,
  documentValidationFailure: 121,
  commandNotSupportedOnView: 166,
  optionNotSupportedOnView: 167,
  /** A stage needs more memory than it may use, and it may not use the disk. */
  memoryLimitExceeded: 292,
  bsonObjectTooLarge: 10_334,
  duplicateKey: 11_000,
} as const

/**
 * The codes of a server that cannot answer now but may be able to a moment later: it starts, stops or changes its role, it
 * is too busy, its disk is full, or somebody has ended the operation. Every other code is a refusal that comes again.
 */
const PASSING_CODES: ReadonlySet<number> = new Set([
  1, // InternalError
  6, // HostUnreachable
  7, // HostNotFound
  8, // UnknownError
  24, // LockTimeout
  43, // CursorNotFound
  46, // LockBusy
  50, // MaxTimeMSExpired
  63, // StaleShardVersion
  64, // WriteConcernTimeout
  89, // NetworkTimeout
  90, // CallbackCanceled
  91, // ShutdownInProgress
  94, // NotYetInitialized
  96, // OperationFailed
  112, // WriteConflict
  117, // ConflictingOperationInProgress
  125, // CommandFailed
  133, // FailedToSatisfyReadPreference
  134, // ReadConcernMajorityNotAvailableYet
  150, // StaleEpoch
  175, // QueryPlanKilled
  189, // PrimarySteppedDown
  202, // NetworkInterfaceExceededTimeLimit
  211, // KeyNotFound
  237, // CursorKilled
  246, // SnapshotUnavailable
  261, // TooManyLogicalSessions
  262, // ExceededTimeLimit
  276, // IndexBuildAborted
  279, // ClientDisconnect
  285, // IndexBuildAlreadyInProgress
  317, // ConnectionPoolExpired
  365, // TemporarilyUnavailable
  462, // IngressRequestRateLimitExceeded
  8_000, // AtlasError
  9_001, // SocketException
  10_058, // LegacyNotPrimary
  10_107, // NotWritablePrimary
  11_600, // InterruptedAtShutdown
  11_601, // Interrupted
  11_602, // InterruptedDueToReplStateChange
  13_388, // StaleConfig
  13_435, // NotPrimaryNoSecondaryOk
  13_436, // NotPrimaryOrSecondary
  14_031, // OutOfDiskSpace
  16_500, // RequestRateTooLarge of Cosmos DB
])

/** Labels by which a server or the driver says that the same command may succeed later. */
const PASSING_LABELS = [
  'RetryableWriteError',
  'RetryableError',
  'TransientTransactionError',
  'SystemOverloadedError',
]

/** The server's code in an error of the driver; `undefined` if the error does not come from the server. */
export function codeOf(error: unknown): number | undefined {
  const { code } = Object(error) as { readonly code?: unknown }
  return typeof code === 'number' && !isDOMException(error) ? code : undefined
}

/** An aborted signal throws it, with a number of its own as its code. Its class may be that of jsdom or of another context. */
function isDOMException(error: unknown): boolean {
  return Object.prototype.toString.call(error) === '[object DOMException]'
}

/** Whether the server understood a command and refused it. False if it is away, changes its role or ran out of time. */
export function isServerRefusal(error: unknown): boolean {
  const code = codeOf(error)
  return (
    code !== undefined && !PASSING_CODES.has(code) && !PASSING_LABELS.some(label => hasLabel(error, label))
  )
}

/** Whether an error of the driver carries one of these server codes. */
export function hasCode(error: unknown, ...codes: readonly number[]): boolean {
  const code = codeOf(error)
  return code !== undefined && codes.includes(code)
}

/** Whether an error carries this label of the server or the driver. */
export function hasLabel(error: unknown, label: string): boolean {
  const { errorLabels } = Object(error) as { readonly errorLabels?: readonly string[] }
  return errorLabels?.includes(label) === true
}
