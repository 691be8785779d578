/**
 * Follows every link between the pages of this package. Pages that are published are read in an installed package too, so
 * their links lead only to files that are published.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findAnchors, listPages, readPage, ROOT, withoutCode } from './markdown.js'

interface Link {
  readonly target: string
  readonly line: number
}

function findLinks(text: string): Link[] {
  return withoutCode(text)
    .split('\n')
    .flatMap((row, index) => {
      const inline = [...row.matchAll(/\]\(<?([^()\s>]+)>?(?: "[^"]*")?\)/g)]
      const named = [...row.matchAll(/^\[[^\]]+\]: (\S+)/g)]
      return [...inline, ...named].map(([, target]) => ({ target: target!, line: index + 1 }))
    })
    .filter(({ target }) => !/^[a-z]+:/.test(target))
}

/** Why a link of a page leads nowhere, or `undefined`. */
function faultOf(page: string, { target }: Link): string | undefined {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), decodeURIComponent(path)))
  if (file.startsWith('..') || !existsSync(ROOT + file)) return `there is no file ${file}`
  if (anchor !== undefined && !findAnchors(readPage(file)).has(anchor)) return `${file} has no #${anchor}`
  return undefined
}

describe('every link leads to a file and a heading that exist', () => {
  it.each(listPages())('%s', page => {
    const faults = findLinks(readPage(page)).map(link => ({ ...link, fault: faultOf(page, link) }))
    const broken = faults.filter(({ fault }) => fault !== undefined)
    expect(broken.map(({ target, line, fault }) => `${page}:${line}: ${target}: ${fault}`)).toEqual([])
  })
})

it('finds a link that leads nowhere', () => {
  const links = findLinks('[a](#no-such-heading) [b](no-such-file.md) `[c](d)` [e](LICENSE "f")\n[g]: h.md')
  expect(links.map(link => [link.target, link.line, faultOf('README.md', link)])).toEqual([
    ['#no-such-heading', 1, 'README.md has no #no-such-heading'],
    ['no-such-file.md', 1, 'there is no file no-such-file.md'],
    ['LICENSE', 1, undefined],
    ['h.md', 2, 'there is no file h.md'],
  ])
})

describe('a published page links only to what is published', () => {
  const { files } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { files: string[] }
  // npm publishes these without being told.
  const published = [...files, 'README.md', 'LICENSE', 'package.json']
  const isPublished = (path: string) => published.some(one => path === one || path.startsWith(`${one}/`))

  it.each(listPages().filter(isPublished))('%s', page => {
    const targets = findLinks(readPage(page)).map(({ target }) => target.split('#')[0]!)
    const paths = targets.filter(path => path !== '').map(path => join(dirname(page), path))
    expect(
      paths.filter(
        path => !isPublished(path) || statSync(ROOT + path, { throwIfNoEntry: false })?.isDirectory(),
      ),
    ).toEqual([])
  })
})
