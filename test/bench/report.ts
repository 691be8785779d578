import type { Figure, Section, Unit } from './figures.js'
import type { Goal } from './goals.js'
import type { Measured } from './http.js'
import type { Machine } from './machine.js'
import { scale } from './statistics.js'
import type { Spread } from './statistics.js'

/** All of a run that is written down. */
export interface Results {
  readonly machine: Machine
  readonly http: readonly Measured[]
  readonly sections: readonly Section[]
  readonly goals: readonly Goal[]
}

const DIGITS: Readonly<Record<Unit, number>> = {
  ratio: 2,
  µs: 2,
  ms: 1,
  bytes: 0,
  queries: 0,
  commands: 0,
  'per second': 0,
}

/** Processes that want to run, before the first of ours: more of them and two cores are not enough. */
const BUSY_LOAD = 1

/** The tables, as Markdown. */
export function toMarkdown({ machine, http, sections, goals }: Results): string {
  return [
    '# Measured',
    '',
    'Medians, with the lowest and the highest in brackets. How: [README](../README.md).',
    ...toWarning(machine),
    '',
    ...toTable(['goal', 'measured', 'wanted', ''], goals.map(toGoalRow)),
    '',
    ...toHttpTable(http),
    ...sections.flatMap(toSectionTable),
    '## Measured with',
    '',
    ...toTable(['', ''], Object.entries(machine)),
    '',
  ].join('\n')
}

/** Ratios are robust, but not against anything. */
function toWarning(machine: Machine): string[] {
  const load = Number(machine['load before'])
  if (!(load > BUSY_LOAD)) return []
  return ['', `**The machine was busy with something else (load ${load}): these figures say little.**`]
}

function toGoalRow({ title, value, wanted, isReached }: Goal): string[] {
  return [title, String(Number(value.toPrecision(3))), wanted, isReached ? 'reached' : '**not reached**']
}

function toHttpTable(measured: readonly Measured[]): string[] {
  if (measured.length === 0) return []
  const bare = measured.find(({ candidate }) => candidate.key === 'bare')?.ofBase.median ?? NaN
  const head = [
    'over HTTP',
    'of the base',
    'of bare',
    'requests per second',
    'processor µs beyond the base',
    'busy',
  ]
  const rows = measured.map(({ candidate, ofBase, requestsPerSecond, extraMicros, busy }) => [
    candidate.key === 'aa' ? 'the base beside itself (A/A)' : candidate.name,
    toText(ofBase, 2),
    toText(scale(ofBase, 1 / bare), 2),
    requestsPerSecond.median.toFixed(0),
    toText(extraMicros, 0),
    busy.toFixed(2),
  ])
  return ['## Over HTTP', '', ...toTable(head, rows), '']
}

function toSectionTable({ title, note, figures }: Section): string[] {
  const rows = figures.map(({ title: what, unit, spread }: Figure) => [
    what,
    toText(spread, DIGITS[unit]),
    unit === 'ratio' ? '' : unit,
  ])
  return [`## ${title}`, '', ...(note === undefined ? [] : [note, '']), ...toTable(['', '', ''], rows), '']
}

/** The median, and the ends where they differ from it. */
function toText({ median, min, max }: Spread, digits: number): string {
  const [middle, low, high] = [median, min, max].map(value => value.toFixed(digits))
  return low === high ? `${middle}` : `${middle} (${low} to ${high})`
}

function toTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`)
}
