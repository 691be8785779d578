/** Longer names are no typing mistakes, and would take long to compare. */
const MAX_LENGTH = 64
/** A part of a name says which one was meant from this length on. */
const MIN_PART = 3

/**
 * The known name that a mistyped one probably stands for, or `undefined`. Case does not count. A package for these few
 * lines would be loaded by every app, and it is only needed where an app fails to start.
 */
export function nearestName(given: string, known: readonly string[]): string | undefined {
  if (given === '' || given.length > MAX_LENGTH) return undefined
  const typed = given.toLowerCase()
  const ranked = known
    .map(name => ({ name, distance: editDistance(typed, name.toLowerCase()) }))
    .sort((one, other) => one.distance - other.distance)
  const [nearest] = ranked
  if (nearest && nearest.distance <= Math.max(1, Math.floor(given.length / 3))) return nearest.name
  const containing = known.filter(name => isPart(typed, name.toLowerCase()))
  return containing.length === 1 ? containing[0] : undefined
}

function isPart(typed: string, name: string): boolean {
  return typed.length >= MIN_PART && (name.includes(typed) || typed.includes(name))
}

/** Levenshtein's distance: how many characters are to be inserted, removed or replaced. */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_item, index) => index)
  for (let row = 0; row < from.length; row++) {
    const current = [row + 1]
    for (let column = 0; column < to.length; column++) {
      const replaced = (previous[column] ?? 0) + (from[row] === to[column] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1))
    }
    previous = current
  }
  return previous.at(-1) ?? 0
}
