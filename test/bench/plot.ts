/** One bar of the plot. */
export interface Bar {
  readonly label: string
  readonly value: number
  readonly isOurs: boolean
}

const WIDTH = 760
const LABEL_WIDTH = 320
const ROW_HEIGHT = 24
const TOP = 48
const FULL_WIDTH = WIDTH - LABEL_WIDTH - 60
const FONT = 'font-family="system-ui, sans-serif" font-size="13"'

/** A bar chart as SVG text, longest bar first; readable on a light and on a dark page. */
export function toSvg(title: string, bars: readonly Bar[]): string {
  const sorted = [...bars].sort((a, b) => b.value - a.value)
  const height = TOP + sorted.length * ROW_HEIGHT + 12
  const longest = Math.max(1, ...sorted.map(({ value }) => value))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" ${FONT}>`,
    `<title>${escape(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" rx="8" fill="#ffffff"/>`,
    `<text x="16" y="28" font-weight="600" fill="#1f2328">${escape(title)}</text>`,
    ...sorted.flatMap((bar, index) => toRow(bar, TOP + index * ROW_HEIGHT, FULL_WIDTH / longest)),
    '</svg>',
    '',
  ].join('\n')
}

function toRow({ label, value, isOurs }: Bar, y: number, scale: number): string[] {
  const length = Math.max(1, value * scale)
  const middle = y + ROW_HEIGHT / 2 + 4
  const weight = isOurs ? ' font-weight="600"' : ''
  const x = LABEL_WIDTH + length + 6
  return [
    `<text x="${LABEL_WIDTH - 8}" y="${middle}" text-anchor="end" fill="#1f2328"${weight}>${escape(label)}</text>`,
    `<rect x="${LABEL_WIDTH}" y="${y + 4}" width="${length.toFixed(1)}" height="${ROW_HEIGHT - 8}" rx="2" fill="${isOurs ? '#1a7f37' : '#8c959f'}"/>`,
    `<text x="${x.toFixed(1)}" y="${middle}" fill="#1f2328"${weight}>${value.toFixed(2)}</text>`,
  ]
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
}
