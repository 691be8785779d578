/** MongoDB's error codes that are met here, by its own names. */
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

/**
 * The server's code of an error of the driver; `undefined` where it is not the server's. An error is decoded like any
 * answer: where the types of numbers are kept, its code is an `Int32`.
 */
export function codeOf(error: unknown): number | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  const value: unknown = typeof code === 'object' && code !== null ? code.valueOf() : code
  return typeof value === 'number' ? value : undefined
}

/** Whether an error of the driver carries one of these codes of the server's. */
export function hasCode(error: unknown, ...codes: readonly number[]): boolean {
  const code = codeOf(error)
  return code !== undefined && codes.includes(code)
}

/** Whether the server, or the driver, has put this label on an error. */
export function hasLabel(error: unknown, label: string): boolean {
  const { errorLabels } = error as { readonly errorLabels?: readonly string[] }
  return errorLabels?.includes(label) === true
}
