import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'vitest'

const FOLDER =
  process.env['VECTORS_DIR'] ?? fileURLToPath(new URL('../../../shared/vectors', import.meta.url))
const WHY = 'the published test vectors are not here; set VECTORS_DIR to their folder'

/** Describes tests over published vectors. Without the vectors they are skipped with a warning, and fail in CI. */
export function describeVectors(name: string, suite: () => void): void {
  if (existsSync(FOLDER)) {
    describe(name, suite)
  } else if (process.env['CI']) {
    it(name, () => {
      throw new Error(WHY)
    })
  } else {
    console.warn(`Skipped: ${name} (${WHY})`)
    it.skip(`${name} (${WHY})`)
  }
}

/** Reads the bytes of a vector file. */
export function readVector(path: string): Buffer {
  return readFileSync(join(FOLDER, path))
}

/** Reads a vector file as JSON. */
export function readJsonVector(path: string): unknown {
  return JSON.parse(readVector(path).toString('utf8'))
}

/** Lists the files in a folder of vectors, sorted by name. */
export function listVectors(path: string): string[] {
  return readdirSync(join(FOLDER, path)).sort()
}
