import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const lib = fileURLToPath(new URL('../lib/', import.meta.url))
const readme = readFileSync(`${lib}README.md`, 'utf8')

/** Names of files and folders: the first word of an indented line, and text in backticks that ends like a path. */
const named = [...readme.matchAll(/^ {4}([a-z-]+(?:\.ts|\/))|`([a-z-/]+(?:\.ts|\/))`/gm)].map(
  ([, inTree, inText]) => (inTree ?? inText)!,
)

describe('lib/README.md', () => {
  it('names only files and folders that exist', () => {
    expect(named.length).toBeGreaterThan(50)
    expect(named.filter(path => path !== 'test/' && !existsSync(lib + path))).toEqual([])
  })

  it('has a line for each folder and each file of the top level', () => {
    const entries = readdirSync(lib, { withFileTypes: true }).filter(({ name }) => name !== 'README.md')
    const names = entries.map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    expect(names.filter(name => !named.includes(name))).toEqual([])
  })
})
