import type { Machine } from './machine.js'
import type { Spread } from './statistics.js'

/** One bar of the picture. */
export interface Bar {
  readonly label: string
  /** Processor time that a request costs beyond the base, in microseconds. */
  readonly extraMicros: Spread
  readonly readsPerThousand: number
  readonly isOurs: boolean
}

const WIDTH = 900
const LABEL_WIDTH = 290
const CHART_WIDTH = 380
const READS_X = WIDTH - 24
const ROW_HEIGHT = 30
const TOP = 84
const POWERS = [0, 1, 2, 3, 4] as const
const FONT = 'font-family="system-ui, sans-serif" font-size="13"'
const DARK = '#1f2328'
const GREY = '#57606a'

/** Packages whose versions decide about the figures. */
const VERSIONS = [
  'node',
  'express',
  'mongodb',
  'passport-jwt',
  'express-oauth2-jwt-bearer',
  'express-session',
  'better-auth',
]

/**
 * The comparison as SVG text, shortest bar first; readable on a light and on a dark page. The scale is logarithmic,
 * because the longest bar is a thousand times the shortest. The whiskers end at the lowest and the highest launch. What is
 * under a microsecond, or below zero by the noise, stands at the left edge, in words.
 */
export function toSvg(bars: readonly Bar[], machine: Machine): string {
  const sorted = [...bars].sort((a, b) => a.extraMicros.median - b.extraMicros.median)
  const bottom = TOP + sorted.length * ROW_HEIGHT
  const height = bottom + 102
  const title = 'Processor time that each way adds to a request'
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" ${FONT}>`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${height}" rx="8" fill="#ffffff"/>`,
    `<text x="16" y="28" font-weight="600" fill="${DARK}">${title}</text>`,
    text(LABEL_WIDTH, 60, 'start', 'microseconds, logarithmic scale; lines: lowest to highest run'),
    text(READS_X, 46, 'end', 'MongoDB reads'),
    text(READS_X, 62, 'end', 'for 1,000 requests'),
    ...POWERS.flatMap(power => toTick(power, bottom)),
    ...sorted.flatMap((bar, index) => toRow(bar, TOP + index * ROW_HEIGHT)),
    text(
      16,
      height - 52,
      'start',
      'Beyond an Express app without authentication. 50 users, each with one token, after a warm-up.',
    ),
    text(16, height - 34, 'start', toVersions(machine)),
    text(16, height - 16, 'start', toMachine(machine)),
    '</svg>',
    '',
  ].join('\n')
}

function toTick(power: number, bottom: number): string[] {
  const x = toX(10 ** power)
  return [
    `<path d="M${x} ${TOP - 8}V${bottom}" stroke="#d0d7de"/>`,
    text(x, bottom + 18, 'middle', `${(10 ** power).toLocaleString('en')} µs`),
  ]
}

function toRow({ label, extraMicros, readsPerThousand, isOurs }: Bar, y: number): string[] {
  const middle = y + ROW_HEIGHT / 2
  const weight = isOurs ? ' font-weight="600"' : ''
  const end = toX(extraMicros.median)
  const [low, high] = [toX(extraMicros.min), toX(extraMicros.max)]
  return [
    `<text x="${LABEL_WIDTH - 10}" y="${middle + 4}" text-anchor="end" fill="${DARK}"${weight}>${escape(label)}</text>`,
    `<rect x="${LABEL_WIDTH}" y="${y + 5}" width="${Math.max(2, end - LABEL_WIDTH).toFixed(1)}" height="${ROW_HEIGHT - 10}" rx="2" fill="${isOurs ? '#4ac26b' : '#afb8c1'}"/>`,
    `<path class="whisker" d="M${low} ${middle}H${high}M${low} ${middle - 5}v10M${high} ${middle - 5}v10" stroke="${DARK}"/>`,
    `<text x="${high + 8}" y="${middle + 4}" fill="${DARK}"${weight}>${toTime(extraMicros)}</text>`,
    `<text x="${READS_X}" y="${middle + 4}" text-anchor="end" fill="${DARK}"${weight}>${readsPerThousand.toFixed(0)}</text>`,
  ]
}

/** A median below zero is noise: it says only that the time is too short to be measured beside the noise. */
function toTime({ median, min, max }: Spread): string {
  if (median >= 1) return median.toFixed(0)
  return `lost in the noise of ${min.toFixed(0)} to ${max.toFixed(0)}`
}

function toX(micros: number): number {
  const share = Math.log10(Math.max(1, micros)) / POWERS.at(-1)!
  return Math.round((LABEL_WIDTH + Math.min(1, share) * CHART_WIDTH) * 10) / 10
}

function toVersions(machine: Machine): string {
  return VERSIONS.map(name => `${name} ${machine[name] ?? '?'}`).join(', ')
}

function toMachine(machine: Machine): string {
  const facts = [
    `mongod ${machine['mongod'] ?? '?'}`,
    machine['processor'],
    machine['memory'],
    machine['date'],
  ]
  return facts.filter(fact => fact !== undefined).join(', ')
}

function text(x: number, y: number, anchor: string, content: string): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${GREY}" font-size="12">${escape(content)}</text>`
}

function escape(content: string): string {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
}
