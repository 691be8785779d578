/** The error codes of MongoDB that this package handles, by the names that MongoDB gives them. */
export const SERVER_ERRORS = {
  badValue: 2,
  hostUnreachable: 6,
  hostNotFound: 7,
  unauthorized: 13,
  namespaceNotFound: 26,
  indexNotFound: 27,
  maxTimeMSExpired: 50,
  optionsConflict: 85,
  keySpecsConflict: 86,
  networkTimeout: 89,
  shutdownInProgress: 91,
  documentValidationFailure: 121,
  readConcernMajorityNotAvailableYet: 134,
  primarySteppedDown: 189,
  exceededTimeLimit: 262,
  /** A stage needs more memory than it may use, and it may not use the disk. */
  memoryLimitExceeded: 292,
  socketException: 9_001,
  notWritablePrimary: 10_107,
  duplicateKey: 11_000,
  interruptedAtShutdown: 11_600,
  interruptedDueToReplStateChange: 11_602,
  notPrimaryNoSecondaryOk: 13_435,
  notPrimaryOrSecondary: 13_436,
  /** Before 5.1 the server has no `$documents`. */
  unrecognizedStage: 40_324,
} as const

/** The codes of a server that cannot answer now but may be able to a moment later. */
const PASSING_CODES: readonly number[] = [
  SERVER_ERRORS.hostUnreachable,
  SERVER_ERRORS.hostNotFound,
  SERVER_ERRORS.maxTimeMSExpired,
  SERVER_ERRORS.networkTimeout,
  SERVER_ERRORS.shutdownInProgress,
  SERVER_ERRORS.readConcernMajorityNotAvailableYet,
  SERVER_ERRORS.primarySteppedDown,
  SERVER_ERRORS.exceededTimeLimit,
  SERVER_ERRORS.socketException,
  SERVER_ERRORS.notWritablePrimary,
  SERVER_ERRORS.interruptedAtShutdown,
  SERVER_ERRORS.interruptedDueToReplStateChange,
  SERVER_ERRORS.notPrimaryNoSecondaryOk,
  SERVER_ERRORS.notPrimaryOrSecondary,
]

/** The server's code in an error of the driver; `undefined` if the error does not come from the server. */
export function codeOf(error: unknown): number | undefined {
  const { code } = Object(error) as { readonly code?: unknown }
  return typeof code === 'number' ? code : undefined
}

/** Whether the server understood a command and refused it. False if it is away, changes its role or ran out of time. */
export function isServerRefusal(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && !PASSING_CODES.includes(code)
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
