/** A sample in three numbers. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The middle value; of an even number the mean of the two in the middle. Throws for an empty sample. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which a share of the sample lies, interpolated. Throws for an empty sample. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const position = (sorted.length - 1) * share
  const below = sorted[Math.floor(position)]
  const above = sorted[Math.ceil(position)]
  if (below === undefined || above === undefined) throw new RangeError('There is no quantile of nothing.')
  return below + (above - below) * (position - Math.floor(position))
}

/** Median and ends of a sample. */
export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/** Every number of a spread, multiplied. */
export function scale({ median: middle, min, max }: Spread, factor: number): Spread {
  return { median: middle * factor, min: min * factor, max: max * factor }
}
