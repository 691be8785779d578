import type { Collection, Db } from 'mongodb'
import type { SessionDocument } from '../../lib/sessions/session-document.js'
import type { Service } from './service.js'

/** Counts and measurements, by name. */
export type Figures = Record<string, number>

/** The figures of a case, and the values that some of them must have. */
export interface Outcome {
  readonly figures: Figures
  readonly expected: Figures
}

/** The surroundings of a case: its own database, and processes that end with the case. */
export interface World {
  readonly db: Db
  readonly sessions: Collection<SessionDocument>
  /** Starts processes of the service, all on this database. */
  readonly start: (count: number, options?: Readonly<Record<string, unknown>>) => Promise<Service[]>
}

/** One goal for the rotation of refresh tokens: its name, the rule, and how to measure it. */
export interface Case {
  /** Selects the case on the command line. */
  readonly name: string
  readonly rule: string
  readonly run: (world: World, isQuick: boolean) => Promise<Outcome>
}

/** Runs `task` for each of `count` numbers, at most `width` at a time. */
export async function forEachOf(
  count: number,
  width: number,
  task: (n: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await task(next++)
  }
  await Promise.all(Array.from({ length: width }, worker))
}

/** Reads an item of a list that is known to have it. */
export function at<T>(list: readonly T[], n: number): T {
  return list[n % list.length] as T
}

/** Counts by name, from zero. */
export function createTally<Name extends string>(...names: Name[]): Record<Name, number> {
  return Object.fromEntries(names.map(name => [name, 0])) as Record<Name, number>
}

/** Sums the counts of an event over all processes. */
export async function sumOf(services: readonly Service[], event: string): Promise<number> {
  const counts = await Promise.all(services.map(service => service.counts()))
  return counts.reduce((sum, { [event]: count = 0 }) => sum + count, 0)
}
