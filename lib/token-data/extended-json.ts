import type { TeamBson } from '../mongo/team-bson.js'
import { isPlainObject } from '../util/plain-object.js'

/** MongoDB Extended JSON v2: `canonical` states the type of each number, and `relaxed` writes plain JSON numbers. */
export type ExtendedJsonFormat = 'relaxed' | 'canonical'

/**
 * Converts a document to Extended JSON. The libraries lose the exact value of some numbers in the relaxed form: `-0`, and whole
 * numbers beyond 2^53. These are written in the canonical form, which readers of the relaxed form know too.
 *
 * @param document with the BSON types of its numbers, or else these are guessed from their values
 * @throws errors of several classes for a value that is not BSON
 */
export function toExtendedJson({ EJSON }: TeamBson, document: object, format: ExtendedJsonFormat): unknown {
  const canonical = EJSON.serialize(document, { relaxed: false })
  if (format === 'canonical') return canonical
  return withExactNumbers(EJSON.serialize(document, { relaxed: true }), canonical)
}

function withExactNumbers(relaxed: unknown, canonical: unknown): unknown {
  if (typeof relaxed === 'number') return isExact(relaxed, canonical) ? relaxed : canonical
  if (Array.isArray(relaxed)) {
    return relaxed.map((element, index) =>
      withExactNumbers(element, (canonical as readonly unknown[])[index]),
    )
  }
  if (!isPlainObject(relaxed)) return relaxed
  const exact = canonical as Readonly<Record<string, unknown>>
  const members = Object.entries(relaxed).map(([name, member]) => [
    name,
    withExactNumbers(member, exact[name]),
  ])
  return Object.fromEntries(members) as object
}

function isExact(relaxed: number, canonical: unknown): boolean {
  // The libraries write 0 for -0.
  if (relaxed === 0) return (canonical as { readonly $numberDouble?: unknown }).$numberDouble !== '-0.0'
  return Number.isSafeInteger(relaxed) || !Number.isInteger(relaxed)
}
