/** Writes pictures of the page with 256 colours. They are a third as large as the browser's, and look the same. */
import { crc32, deflateSync } from 'node:zlib'

/** Pixels from the top left, four bytes each: red, green, blue and opacity. */
export interface Pixels {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const MOST_COLOURS = 256
const FREQUENT_COLOURS = 216

/** Encodes opaque pixels as a PNG with a palette: the most frequent colours, and the nearest of them for the others. */
export function toPalettePng({ width, height, data }: Pixels): Buffer {
  const counts = new Map<number, number>()
  for (let at = 0; at < data.length; at += 4) {
    const colour = colourAt(data, at)
    counts.set(colour, (counts.get(colour) ?? 0) + 1)
  }
  const palette = choosePalette(counts)
  const indexes = new Map([...counts.keys()].map(colour => [colour, nearestIn(palette, colour).index]))
  // Each line begins with the number of its filter. Lines without a filter compress best with a palette.
  const lines = Buffer.alloc((width + 1) * height)
  for (let pixel = 0; pixel < width * height; pixel++) {
    const at = Math.floor(pixel / width) * (width + 1) + 1 + (pixel % width)
    lines[at] = indexes.get(colourAt(data, pixel * 4))!
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // Eight bits a pixel, with a palette.
  header.set([8, 3, 0, 0, 0], 8)
  const colours = Buffer.from(palette.flatMap(parts))
  return Buffer.concat([
    SIGNATURE,
    toChunk('IHDR', header),
    toChunk('PLTE', colours),
    toChunk('IDAT', deflateSync(lines, { level: 9 })),
    toChunk('IEND', Buffer.alloc(0)),
  ])
}

function toChunk(type: string, content: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), content])
  const chunk = Buffer.alloc(named.length + 8)
  chunk.writeUInt32BE(content.length, 0)
  chunk.set(named, 4)
  chunk.writeUInt32BE(crc32(named), named.length + 4)
  return chunk
}

/** The most frequent colours. The last places are for colours that are rare and unlike all others. */
function choosePalette(counts: ReadonlyMap<number, number>): number[] {
  const byCount = [...counts].sort(([, one], [, other]) => other - one).map(([colour]) => colour)
  const palette = byCount.splice(0, FREQUENT_COLOURS)
  while (palette.length < MOST_COLOURS && byCount.length > 0) {
    const distances = byCount.map(colour => nearestIn(palette, colour).distance)
    const farthest = distances.reduce((best, distance, at) => (distance > distances[best]! ? at : best), 0)
    palette.push(...byCount.splice(farthest, 1))
  }
  return palette
}

function nearestIn(palette: readonly number[], colour: number): { index: number; distance: number } {
  const nearest = { index: 0, distance: Infinity }
  palette.forEach((candidate, index) => {
    const distance = distanceOf(candidate, colour)
    if (distance < nearest.distance) Object.assign(nearest, { index, distance })
  })
  return nearest
}

function distanceOf(one: number, other: number): number {
  const [red, green, blue] = parts(one)
  const [otherRed, otherGreen, otherBlue] = parts(other)
  return (red - otherRed) ** 2 + (green - otherGreen) ** 2 + (blue - otherBlue) ** 2
}

function colourAt(data: Uint8Array, at: number): number {
  return (data[at]! << 16) | (data[at + 1]! << 8) | data[at + 2]!
}

function parts(colour: number): [number, number, number] {
  return [colour >> 16, (colour >> 8) & 255, colour & 255]
}
