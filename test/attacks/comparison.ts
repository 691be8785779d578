import type { Attack } from './attack.js'

/** The answer of one package to one row. */
export interface Outcome {
  readonly row: Attack
  /** `undefined` if the request took the server down. */
  readonly status: number | undefined
  readonly hasChallenge: boolean
}

/** One package and its outcomes, in the order of the table. */
export interface Column {
  readonly name: string
  readonly outcomes: readonly Outcome[]
}

/** Formats the counts, and then every row with the answers side by side. */
export function toMarkdown(columns: readonly Column[]): string {
  const names = columns.map(({ name }) => name)
  const counts = COUNTS.map(([title, count]) => [title, ...columns.map(({ outcomes }) => count(outcomes))])
  const rows = columns[0]?.outcomes.map(({ row }, index) => [
    `${escape(row.title)}${row.isBeyondPeers ? ' †' : ''}`,
    String(row.expected),
    ...columns.map(({ outcomes }) => toCell(outcomes[index]!)),
  ])
  return [
    ...toTable(['', ...names], counts),
    '',
    '**Bold**: does not hold. †: a rule that the others do not set out to keep.',
    '',
    ...toTable(['request', 'should be', ...names], rows ?? []),
  ].join('\n')
}

const COUNTS: readonly (readonly [title: string, count: (outcomes: readonly Outcome[]) => string])[] = [
  [
    'attacks refused',
    outcomes => countHeld(outcomes.filter(({ row }) => isAttack(row) && !row.isBeyondPeers)),
  ],
  [
    'attacks refused, †',
    outcomes => countHeld(outcomes.filter(({ row }) => isAttack(row) && row.isBeyondPeers)),
  ],
  ['good requests let through', outcomes => countHeld(outcomes.filter(({ row }) => !isAttack(row)))],
  ['holds', countHeld],
  ['with the very status', outcomes => countOf(outcomes, ({ row, status }) => status === row.expected)],
  ['401s that have a Bearer challenge', outcomes => countChallenges(outcomes)],
  ['answers of 500', outcomes => countOf(outcomes, ({ status = 0 }) => status >= 500)],
  ['crashes', outcomes => countOf(outcomes, ({ status }) => status === undefined)],
]

/** Any 4xx counts as a refusal of an attack. */
function holds({ row, status = 0 }: Outcome): boolean {
  return isAttack(row) ? status >= 400 && status < 500 : status === row.expected
}

function isAttack({ expected }: Attack): boolean {
  return expected !== 200
}

function countHeld(outcomes: readonly Outcome[]): string {
  return countOf(outcomes, holds)
}

function countChallenges(outcomes: readonly Outcome[]): string {
  return countOf(
    outcomes.filter(({ status }) => status === 401),
    ({ hasChallenge }) => hasChallenge,
  )
}

function countOf(outcomes: readonly Outcome[], test: (outcome: Outcome) => boolean): string {
  return `${outcomes.filter(test).length} of ${outcomes.length}`
}

function toCell(outcome: Outcome): string {
  const { status = 'crash' } = outcome
  return holds(outcome) ? String(status) : `**${status}**`
}

function toTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`)
}

/** Escapes characters that have a meaning in Markdown. */
function escape(title: string): string {
  return title.replace(/[|*_<>`\\]/g, '\\$&')
}
