/**
 * Writes docs/reference/ from the doc comments in lib/: `npm run docs`. With `--check` it writes nothing, and fails if a page
 * differs from the doc comments.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { format, resolveConfig } from 'prettier'
import { ROOT } from './read.js'
import { renderPages } from './render.js'

const FOLDER = `${ROOT}docs/reference/`
const isCheck = process.argv.includes('--check')
const outdated: string[] = []

mkdirSync(FOLDER, { recursive: true })
for (const [name, text] of Object.entries(renderPages())) {
  const file = FOLDER + name
  // Code stays as its author wrote it: prettier would take an object for a block.
  const page = await format(text, {
    ...(await resolveConfig(file)),
    filepath: file,
    embeddedLanguageFormatting: 'off',
  })
  if (!isCheck) writeFileSync(file, page)
  else if (readOr(file, '') !== page) outdated.push(`docs/reference/${name}`)
}
if (outdated.length > 0) {
  console.error(`${outdated.join(', ')}: differs from the doc comments in lib/. Run npm run docs.`)
  process.exitCode = 1
}

function readOr(file: string, fallback: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return fallback
  }
}
