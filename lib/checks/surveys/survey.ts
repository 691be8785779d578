import type { WarningCode } from '../../warnings.js'
import type { Severity, SurveyCode } from './survey-codes.js'

/** What a survey has found, and what to do about it. */
export interface Finding {
  /** Stays the same across versions. */
  readonly code: WarningCode | SurveyCode
  /** What was found, why it is wrong, and what to write or to run. */
  readonly message: string
  /** Replaces the usual severity of the code. */
  readonly severity?: Severity
}

/** The result of a survey. */
export interface SurveyResult {
  /** A few words for a table. */
  readonly says: string
  /** Further lines of the table. */
  readonly lines?: readonly string[]
  readonly findings: readonly Finding[]
  /** Members of the JSON report. They hold no secret. */
  readonly facts: Readonly<Record<string, unknown>>
  /** Whether nothing was looked at, because there is nothing to look at. */
  readonly isNote?: boolean
}

/** How long a survey may take, and who wants to know how far it is. */
export interface SurveyLimits {
  readonly timeoutMs: number
  readonly progress: ReportProgress
}

/** Reports how much of a collection was read. `total` is an estimate; `undefined` if it is not known. */
export type ReportProgress = (done: number, total: number | undefined) => void

/** A finding that a survey did not reach its end. It must never look as if all was well. */
export function notChecked(what: string, why: string): Finding {
  return { code: 'not_checked', message: `${what} could not be checked: ${why}` }
}

/** Why a survey that ran out of time did not reach its end. */
export function outOfTime(timeoutMs: number): string {
  return `it took longer than ${timeoutMs} ms. Give more time by --timeout-ms.`
}
