import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../', import.meta.url))
const lib = `${root}lib/`
const readme = readFileSync(`${lib}README.md`, 'utf8')

/** Names of files and folders in lib: the first word of an indented line, and text in backticks that ends like a path. */
const namedInReadme = [...readme.matchAll(/^ {4}([a-z-]+(?:\.m?ts|\/))|`([a-z-/]+(?:\.ts|\/))`/gm)].map(
  ([, inTree, inText]) => (inTree ?? inText)!,
)

describe('lib/README.md', () => {
  it('names only files and folders that exist', () => {
    expect(namedInReadme.length).toBeGreaterThan(50)
    expect(namedInReadme.filter(path => path !== 'test/' && !existsSync(lib + path))).toEqual([])
  })

  it('has a line for each folder and each file of the top level', () => {
    const entries = readdirSync(lib, { withFileTypes: true }).filter(({ name }) => name !== 'README.md')
    const names = entries.map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    expect(names.filter(name => !namedInReadme.includes(name))).toEqual([])
  })
})

describe('CONTRIBUTING.md', () => {
  it('names only files and folders that exist', () => {
    const text = readFileSync(`${root}CONTRIBUTING.md`, 'utf8')
    const named = [...text.matchAll(/`((?:lib|test|examples)\/[^`\s]*)`/g)].map(([, path]) => path!)
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter(path => !existsSync(root + path))).toEqual([])
  })
})
