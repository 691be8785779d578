import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../', import.meta.url))

/** Names of files and folders: the first word of an indented line, and text in backticks that ends like a path. */
function namedIn(readme: string): string[] {
  const names = readme.matchAll(/^ {4}([a-z-]+(?:\.m?ts|\/))|`([a-z-/.]+(?:\.ts|\/))`/gm)
  return [...names].map(([, inTree, inText]) => (inTree ?? inText)!)
}

describe.each([
  ['lib/', 50],
  ['lib/app-services/', 40],
])('%sREADME.md', (folder, least) => {
  const here = root + folder
  const named = namedIn(readFileSync(`${here}README.md`, 'utf8'))

  it('names only files and folders that exist', () => {
    expect(named.length).toBeGreaterThan(least)
    expect(named.filter(path => !existsSync(here + path) && !existsSync(root + path))).toEqual([])
  })

  it('has a line for each folder and each file of the top level', () => {
    const entries = readdirSync(here, { withFileTypes: true }).filter(({ name }) => name !== 'README.md')
    const names = entries.map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    expect(names.filter(name => !named.includes(name))).toEqual([])
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
