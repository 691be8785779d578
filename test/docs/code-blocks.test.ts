/**
 * Compiles every code block of the README, the guides and the other pages, and runs whole programs on a real MongoDB.
 *
 * How to write a page:
 *
 *  1. Each block has a tag. `ts` is compiled strictly. `js` is compiled without the errors that only authors of TypeScript
 *     see. `json` is parsed. `sh`, `http`, `text` and `html` are not checked. A block without a tag is refused.
 *  2. A block may use the names that test/docs/setups/common.ts exports: `app`, `userData`, `collection`, `users`,
 *     `Profile` and others. It may also declare them itself. So a guide can show three lines.
 *  3. For other names, write `<!-- setup: sockets -->` on a line of its own above the block. It adds the names that
 *     test/docs/setups/sockets.ts exports, until the next such comment. Several: `<!-- setup: sockets, handler -->`.
 *     No setup: `<!-- setup: common -->`. Values that a page only mentions can be declared there without code:
 *     `export declare const changePassword: (id: string, body: unknown) => Promise<void>`.
 *     Existing setups: `handler` has the `req`, `res` and `next` of a handler; `browser` is the page's side, with the DOM
 *     and without Node.
 *     A block may also require `./user-data` and `./app`, the modules of a reader's app; test/docs/blocks/ declares them.
 *  4. Write `<!-- continue -->` above a block that goes on where the previous block ended. It sees the names of that block.
 *  5. A block can be members of an object: `tokenPlaces: req => req.headers['x-access-token']`. It is compiled as a part
 *     of the options of `createCustomUserData`; `<!-- part of: AttachOptions -->` names another exported type, also one
 *     of `express-custom-user-data/app-services`.
 *     A block that begins with `{` is an object.
 *  6. A block with `declare module` or `declare global` is compiled apart, so that it changes no other block. All others see
 *     `req.user` as `express-custom-user-data/global` types it, with `customData: Profile`.
 *  7. A block, with those that continue it, is a program if it imports express and calls `listen(`. It is run on a real
 *     MongoDB: the test replaces each `mongodb://…` and each port, and sets MONGODB_URI and ACCESS_TOKEN_SECRET.
 *     The `curl` commands of the `sh` blocks that follow are run against it, and must succeed. A `json` block
 *     directly behind them shows their answer: its members must be there, with values of the same types. Without `curl`
 *     each route of the program is requested, and must not answer with a 5xx.
 *  8. `<!-- run -->` above any other block (`ts`, `js` or `sh`) runs it to its end, and it must succeed.
 *  9. `<!-- signature -->` marks a signature in docs/reference/, which comes from the source and is not compiled again.
 *
 * links.test.ts follows the links: each leads to a file and a heading that exist, and a published page links only to
 * published files. HTML comments are invisible to readers. Run: `npx vitest run --project docs`.
 */
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { compile } from './compile.js'
import { findBlocks, listPages, readPage } from './markdown.js'
import { toModules } from './modules.js'

const KNOWN_TAGS = ['ts', 'js', 'json', 'sh', 'http', 'text', 'html']

const pages = listPages()
const blocks = pages.flatMap(page => findBlocks(page, readPage(page)))
const modules = toModules(blocks)

it('finds the pages and their blocks', () => {
  expect(pages).toContain('README.md')
  expect(modules.length).toBeGreaterThan(0)
})

it('every block has a tag that says how it is checked', () => {
  const unknown = blocks.filter(({ tag }) => !KNOWN_TAGS.includes(tag))
  expect(unknown.map(({ page, line, tag }) => `${page}:${line}: ${tag || 'no tag'}`)).toEqual([])
})

it('every block of JSON is JSON', () => {
  const parseJson = (code: string) => JSON.parse(code) as unknown
  for (const { code } of blocks.filter(({ tag }) => tag === 'json')) {
    expect(() => parseJson(code)).not.toThrow()
  }
})

// In one go with the pages, because a compiler takes seconds to read the types of the packages.
const samples = toModules(
  findBlocks('sample.md', readFileSync(new URL('sample.md', import.meta.url), 'utf8')),
)
const errors = compile([...modules, ...samples])

afterAll(() => {
  const compiled = modules.flatMap(one => one.blocks).length
  console.log(`Compiled ${compiled} of ${blocks.length} blocks in ${pages.length} pages.`)
})

describe('every code block compiles', () => {
  it.each(pages)('%s', page => {
    const ofPage = modules.filter(one => one.blocks[0]!.page === page)
    expect(ofPage.flatMap(({ path }) => errors.get(path))).toEqual([])
  })

  it('so does every setup', () => {
    const paths = new Set([...modules, ...samples].map(({ path }) => path))
    expect([...errors].filter(([path]) => !paths.has(path)).flatMap(([, found]) => found)).toEqual([])
  })
})

describe('in a page with mistakes', () => {
  const found = samples.flatMap(({ path }) => errors.get(path) ?? [])
  const errorsAt = (line: number) => found.filter(error => error.startsWith(`sample.md:${line}: `))

  it.each([
    [5, 'Cannot find name', 'a name that nobody declares'],
    [10, "Property 'nonsense' does not exist", 'a member that custom data does not have'],
    [15, "'req.user' is possibly 'undefined'", 'a value that may be undefined, in TypeScript'],
    [20, "'snapshotTtl' does not exist in type", 'an option that does not exist'],
    [27, "'maxAge' does not exist in type", 'an option of a method that does not exist'],
    [44, "Type 'string' is not assignable to type 'number'", 'a mistake in a block that continues another'],
    [58, "Cannot find name 'process'", 'a name of Node in the code of a browser'],
  ])('line %i: %s', (line, message) => {
    expect(errorsAt(line)).toEqual([expect.stringContaining(message)])
  })

  it('nothing else is an error', () => {
    expect(found).toHaveLength(7)
  })
})
