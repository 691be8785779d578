import type { Spread } from './statistics.js'

/** The unit of a number. A ratio has no unit. */
export type Unit = 'ratio' | 'µs' | 'ms' | 'bytes' | 'queries' | 'commands' | 'per second'

/** One measured thing. */
export interface Figure {
  /** Its name in the JSON; explained in README.md. */
  readonly key: string
  readonly title: string
  readonly unit: Unit
  readonly spread: Spread
}

/** Figures that belong together. */
export interface Section {
  readonly title: string
  readonly note?: string
  readonly figures: readonly Figure[]
}

/** A figure that is what it is: counted, or measured once. */
export function single(key: string, title: string, unit: Unit, value: number): Figure {
  return { key, title, unit, spread: { median: value, min: value, max: value } }
}

/** The medians by key, with four digits that mean something. */
export function toMedians(sections: readonly Section[]): Record<string, number> {
  const figures = sections.flatMap(section => section.figures)
  return Object.fromEntries(figures.map(({ key, spread }) => [key, Number(spread.median.toPrecision(4))]))
}
