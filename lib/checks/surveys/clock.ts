import { withDeadline } from '../../util/deadline.js'
import type { CheckTarget } from '../check.js'
import { checkClockSkew, measureClockSkew } from '../clock-skew.js'
import type { SurveyLimits, SurveyResult } from './survey.js'

/** Compares the clock of this machine with the clock of the server. */
export async function surveyClock(target: CheckTarget, { timeoutMs }: SurveyLimits): Promise<SurveyResult> {
  const [skew, findings] = await withDeadline(timeoutMs, async signal => [
    await measureClockSkew(target.db, { signal }, target.clock),
    await checkClockSkew(target, { timeoutMs, signal }),
  ])
  if (!skew)
    return { says: 'the server does not tell its time', isNote: true, findings, facts: { clock: null } }
  const aheadMs = Math.round(skew.aheadMs)
  const uncertaintyMs = Math.ceil(skew.uncertaintyMs)
  const where = aheadMs < 0 ? 'behind' : 'ahead of'
  return {
    says: `${Math.abs(aheadMs)} ms ${where} the server (±${uncertaintyMs} ms)`,
    findings,
    facts: { clock: { aheadMs, uncertaintyMs } },
  }
}
