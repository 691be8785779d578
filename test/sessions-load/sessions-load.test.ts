import { describe, expect, inject, it } from 'vitest'
import { CASES } from './cases.js'
import { runCase } from './run-case.js'
import { mannWhitneyP, median } from './statistics.js'

const TIMEOUT_MS = 180_000

// `npm run test:sessions` is the long form. The case `throughput` has no goal, so it is left out here.
describe.concurrent('sessions over several processes, in short form', () => {
  it.each(CASES.filter(({ name }) => name !== 'throughput'))(
    '$name: $rule',
    async one => {
      const { figures, wrong } = await runCase(one, inject('mongoUri'), true)
      expect({ wrong, figures }).toEqual({ wrong: [], figures })
    },
    TIMEOUT_MS,
  )
})

describe('the statistics of login times', () => {
  it('take the middle value, or the mean of the two middle values', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
  })

  it('find no difference between equal samples, and a difference between shifted samples', () => {
    const one = Array.from({ length: 40 }, (_, n) => n)
    expect(mannWhitneyP(one, one)).toBeCloseTo(1, 6)
    // R 4.4: wilcox.test(0:39, 0:39 + 10, exact = FALSE, correct = FALSE)
    expect(
      mannWhitneyP(
        one,
        one.map(n => n + 10),
      ),
    ).toBeCloseTo(0.0008, 2)
    expect(
      mannWhitneyP(
        one,
        one.map(n => n + 100),
      ),
    ).toBeLessThan(1e-6)
  })
})
