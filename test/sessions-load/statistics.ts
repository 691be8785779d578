/** The median. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle) - 1] ?? NaN)) / 2
}

/**
 * Two-sided p of the Mann-Whitney U test, by the normal approximation (20 values or more on each side): how likely two
 * samples of one distribution are as far apart as these.
 */
export function mannWhitneyP(one: readonly number[], other: readonly number[]): number {
  const n = one.length
  const m = other.length
  const ranked = rank([...one, ...other])
  const u = ranked.slice(0, n).reduce((sum, value) => sum + value, 0) - (n * (n + 1)) / 2
  const deviation = Math.sqrt((n * m * (n + m + 1)) / 12)
  return 2 * upperTail(Math.abs(u - (n * m) / 2) / deviation)
}

/** Ranks values. Equal values share the mean of their ranks. */
function rank(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b)
  const first = new Map<number, number>()
  const last = new Map<number, number>()
  for (const [index, value] of sorted.entries()) {
    if (!first.has(value)) first.set(value, index + 1)
    last.set(value, index + 1)
  }
  return values.map(value => ((first.get(value) ?? NaN) + (last.get(value) ?? NaN)) / 2)
}

/** P(Z > z) of the standard normal distribution: Abramowitz and Stegun 26.2.17, good to 7.5e-8. */
function upperTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z)
  const series = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429]
  const sum = series.reduce((total, coefficient, index) => total + coefficient * t ** (index + 1), 0)
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * sum
}
