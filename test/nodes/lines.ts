/** The lines of Node, and what of each the package supports. */
export const LINES = [
  { major: 20, range: '>=20.19.0 <21' },
  { major: 22, range: '22' },
  { major: 24, range: '24' },
  { major: 26, range: '26' },
] as const

export type Line = (typeof LINES)[number]
