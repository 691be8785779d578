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
 *  4. Write `<!-- continue -->` above a block that goes on where the previous block ended. It sees the names of that block.
 *  5. A block can be members of an object: `tokenPlaces: req => req.headers['x-access-token']`. It is compiled as a part
 *     of the options of `createCustomUserData`; `<!-- part of: AttachOptions -->` names another exported type.
 *     A block that begins with `{` is an object.
 *  6. A block with `declare module` or `declare global` is compiled apart, so that it changes no other block. All others see
 *     `req.user` as `express-custom-user-data/global` types it, with `customData: Profile`.
 *  7. A block, with those that continue it, is a program if it imports express and calls `listen(`. It is run on a real
 *     MongoDB: the test replaces each `mongodb://…` and each port, and sets MONGODB_URI and ACCESS_TOKEN_SECRET.
 *     The `curl` commands of the `sh` blocks that follow are run against it, and must succeed. A `json` block
 *     directly behind them shows their answer: its members must be there, with values of the same types. Without `curl`
 *     each route of the program is requested, and must not answer with a 5xx.
 *  8. `<!-- run -->` above any other block (`ts`, `js` or `sh`) runs it to its end, and it must succeed.
 *
 * HTML comments are invisible to readers. Run: `npx vitest run --project docs`.
 */
import { describe, expect, it } from 'vitest'
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

describe('every code block compiles', () => {
  const errors = compile(modules)

  it.each(pages)('%s', page => {
    const ofPage = modules.filter(one => one.blocks[0]!.page === page)
    expect(ofPage.flatMap(({ path }) => errors.get(path))).toEqual([])
  })

  it('so does every setup', () => {
    const paths = new Set(modules.map(({ path }) => path))
    expect([...errors].filter(([path]) => !paths.has(path)).flatMap(([, found]) => found)).toEqual([])
  })
})
