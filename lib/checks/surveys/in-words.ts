/** `1,234` */
export function showCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** `1 document`, `1,234 documents` */
export function showCountOf(count: number, one: string, many = `${one}s`): string {
  return `${showCount(count)} ${count === 1 ? one : many}`
}

const UNITS = ['kB', 'MB', 'GB'] as const

/** `512 bytes`, `256 kB`, `1.2 MB`. A kilobyte has 1,024 bytes, as in the defaults of the options. */
export function showBytes(bytes: number): string {
  if (bytes < 1_024) return showCountOf(bytes, 'byte')
  let size = bytes / 1_024
  let unit = 0
  while (size >= 1_024 && unit < UNITS.length - 1) {
    size /= 1_024
    unit++
  }
  return `${size < 10 ? Number(size.toFixed(1)) : showCount(Math.round(size))} ${UNITS[unit] ?? ''}`
}

/** A share of a whole. Only all is 100 %, and only none is 0 %. */
export function showShare(part: number, whole: number): string {
  if (whole === 0) return '0 %'
  const percent = (100 * part) / whole
  if (part === whole || part === 0) return `${percent} %`
  return `${Math.min(99.9, Math.max(0.1, percent)).toFixed(1)} %`
}

/** The counts of a tally, most frequent first: `3 string, 1 int`. */
export function showTally(tally: ReadonlyMap<string, number>): string {
  return [...tally]
    .sort(([, one], [, other]) => other - one)
    .map(([name, count]) => `${showCount(count)} ${name}`)
    .join(', ')
}

/** Counts one more of a name. */
export function addTo(tally: Map<string, number>, name: string): void {
  tally.set(name, (tally.get(name) ?? 0) + 1)
}
