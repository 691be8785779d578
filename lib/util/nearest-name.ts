/** Longer names are not compared: they are no typing mistakes, and a comparison would take long. */
const MAX_LENGTH = 64
/** A shorter part of a name does not tell which name was meant. */
const MIN_PART = 3

/**
 * The known name that a mistyped name probably means, or `undefined`. Case does not count. This is no dependency, because
 * every app would load it, but only an app that fails to start needs it.
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

/** Levenshtein's distance: how many characters must be inserted, removed or replaced. */
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
