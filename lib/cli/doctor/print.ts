import { showCountOf } from '../../checks/surveys/in-words.js'
import { toShownText } from '../../util/shown-text.js'
import type { Terminal } from '../terminal.js'
import type { Report, ReportedFinding, Row, Status } from './report.js'

/** Where there is no terminal, lines have this width. */
const DEFAULT_WIDTH = 100
const WIDTHS = { min: 50, max: 120 } as const
/** The colours of a terminal, by their ANSI codes: green, yellow, red, magenta, and none. */
const COLOURS: Readonly<Record<Status, string>> = {
  ok: '32',
  note: '',
  warning: '33',
  problem: '31',
  'not checked': '35',
}
const STATUS_WIDTH = 'not checked'.length
/** Names in the report come from the database, and a terminal must not obey what is in them. */
const MAX_LENGTH = 10_000

/** Writes the report for people: a table of the checks, then each finding with what to do about it. */
export function printReport(report: Report, title: string, terminal: Pick<Terminal, 'stdout' | 'env'>): void {
  const { stdout, env } = terminal
  const hasColours = stdout.isTTY === true && (env['NO_COLOR'] ?? '') === ''
  const paint = (status: Status, text: string): string =>
    hasColours && COLOURS[status] !== '' ? `\x1b[${COLOURS[status]}m${text}\x1b[0m` : text
  const { isTTY, columns = 0 } = stdout
  // Some terminals do not tell their width, or tell 0.
  const width =
    isTTY === true && columns > 0 ? Math.min(WIDTHS.max, Math.max(WIDTHS.min, columns)) : DEFAULT_WIDTH
  const nameWidth = Math.max(...report.rows.map(({ name }) => name.length))
  const lines = [
    clean(title),
    '',
    ...report.rows.flatMap(row => toRows(row, { nameWidth, width, paint })),
    '',
    toSummary(report),
    ...worstFirst(report.findings).flatMap(finding => ['', ...toParagraph(finding, width, paint)]),
  ]
  stdout.write(`${lines.join('\n')}\n`)
}

/** What {@link printJson} says besides the report. */
export interface JsonOutcome {
  readonly ok: boolean
  /** The finding without which there would be a connection. */
  readonly error: ReportedFinding | undefined
}

/** Writes the report for programs. Its shape is documented in docs/doctor.md. */
export function printJson(
  { findings, facts, rows }: Report,
  { ok, error }: JsonOutcome,
  { stdout }: Pick<Terminal, 'stdout'>,
): void {
  const checks = rows.map(({ name, status }) => ({ name, status }))
  const failure = error && { error: { code: error.code, message: error.message } }
  stdout.write(`${JSON.stringify({ ok, ...failure, findings, checks, facts }, undefined, 2)}\n`)
}

function worstFirst(findings: readonly ReportedFinding[]): ReportedFinding[] {
  return [...findings].sort(
    (one, other) => Number(other.severity === 'problem') - Number(one.severity === 'problem'),
  )
}

interface Layout {
  readonly nameWidth: number
  readonly width: number
  readonly paint: (status: Status, text: string) => string
}

function toRows({ name, status, says, lines }: Row, { nameWidth, width, paint }: Layout): string[] {
  const indent = STATUS_WIDTH + nameWidth + 4
  const head = `${paint(status, status.padEnd(STATUS_WIDTH))}  ${name.padEnd(nameWidth)}  `
  const texts = [says, ...lines].flatMap(text => wrap(clean(text), width - indent))
  return texts.map((text, index) => (index === 0 ? head : ' '.repeat(indent)) + text)
}

function toSummary(report: Report): string {
  const [problems, warnings] = [report.count('problem'), report.count('warning')]
  if (problems + warnings === 0) return 'Nothing to mend was found.'
  return `${showCountOf(problems, 'problem')}, ${showCountOf(warnings, 'warning')}`
}

/** A command stays on one line, so that it can be copied. */
function toParagraph(
  { code, severity, message, help }: ReportedFinding,
  width: number,
  paint: Layout['paint'],
): string[] {
  const parts = clean(message).split(/(?<=: )(?=db\.get(?:Collection|SiblingDB)\(|node -p )/)
  const lines = parts.flatMap((part, index) => (index === 0 ? wrap(part.trim(), width - 2) : [`  ${part}`]))
  return [`${paint(severity, severity)} ${code}`, ...lines.map(line => `  ${line}`), `  See ${help}`]
}

function clean(text: string): string {
  return toShownText(text, MAX_LENGTH)
}

/** Breaks a text into lines at its spaces. A longer word has a line of its own. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
