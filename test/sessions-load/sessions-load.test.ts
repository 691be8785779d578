import { describe, expect, inject, it } from 'vitest'
import { CASES } from './cases.js'
import { runCase } from './run-case.js'
import { mannWhitneyP, median } from './statistics.js'

const TIMEOUT_MS = 180_000

// `npm run test:sessions` is the long form. Rates are for reading only.
describe.concurrent('sessions over several processes, in small', () => {
  it.each(CASES.filter(({ id }) => id !== 'rate'))(
    '$id: $rule',
    async one => {
      const { figures, wrong } = await runCase(one, inject('mongoUri'), true)
      expect({ wrong, figures }).toEqual({ wrong: [], figures })
    },
    TIMEOUT_MS,
  )
})

describe('the statistics of login times', () => {
  it('take the middle one, or the middle of two', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
  })

  it('find two samples of one kind alike, and shifted ones different', () => {
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
