import { CANDIDATES } from './candidates.js'
import type { Candidate } from './candidates.js'
import type { Figure, Section } from './figures.js'
import { measurePair } from './fresh-pair.js'
import type { DatabaseAddress, PairResult } from './fresh-pair.js'
import type { Plan } from './plan.js'
import { scale } from './statistics.js'

/** A candidate with what was measured of it. */
export interface Measured extends PairResult {
  readonly candidate: Candidate
}

/** Measures the candidates of the plan one after the other, without candidates that this build does not have. */
export async function measureCandidates(
  plan: Plan,
  address: DatabaseAddress,
  report: (line: string) => void,
): Promise<Measured[]> {
  const measured: Measured[] = []
  for (const candidate of toMeasure(plan)) {
    if (performance.now() > plan.httpUntilMs) {
      report(`${candidate.name}: no time left`)
      continue
    }
    const pairPlan = plan.pairs[candidate.kind]
    const result = await measurePair(candidate.name, pairPlan, address, { untilMs: plan.httpUntilMs })
    report(`${candidate.name}: ${result?.ofBase.median.toFixed(3) ?? 'not in this build'}`)
    if (result) measured.push({ candidate, ...result })
  }
  return measured
}

/** Where time is short the plan's order counts: what comes last may be left out. */
function toMeasure({ candidates }: Plan): readonly Candidate[] {
  if (!candidates) return CANDIDATES
  return candidates.map(name => CANDIDATES.find(candidate => candidate.name === name)!)
}

/** Ratios to the base, and by way of it to the bare route; the bare route's own figure turns the one into the other. */
export function toHttpSection(measured: readonly Measured[]): Section {
  const bareOfBase = measured.find(({ candidate }) => candidate.key === 'bare')?.ofBase.median
  const figures = measured.flatMap(({ candidate: { key, name }, ofBase, ...result }): Figure[] => [
    { key: `http.${key}.ofBase`, title: `${name}, of the base`, unit: 'ratio', spread: ofBase },
    ...(bareOfBase === undefined
      ? []
      : [
          {
            key: `http.${key}.ofBare`,
            title: `${name}, of bare`,
            unit: 'ratio' as const,
            spread: scale(ofBase, 1 / bareOfBase),
          },
        ]),
    {
      key: `http.${key}.extraMicros`,
      title: `${name}, processor time beyond the base's`,
      unit: 'µs',
      spread: result.extraMicros,
    },
  ])
  return { title: 'Over HTTP', figures }
}

/** Compares tokens with custom data inside with cached tokens. After the first request both need only a look at the cache. */
export async function measureFromClaim(plan: Plan, address: DatabaseAddress): Promise<Section> {
  const pair = await measurePair('ours from the claim', plan.pairs.ours, address, { base: 'ours HS256' })
  const title = 'served from the claim, of the same tokens cached'
  const figures: Figure[] = pair
    ? [{ key: 'http.fromClaim.ofCached', title, unit: 'ratio', spread: pair.ofBase }]
    : []
  return { title: 'From the claim', figures }
}
