/** Runs single blocks of guides, for tests of what they do. */
import { compileFunction } from 'node:vm'
import { findBlocks, readPage } from './markdown.js'

/** The code of the block of a page that contains a text. */
export function blockOf(page: string, text: string): string {
  const block = findBlocks(page, readPage(page)).find(({ code }) => code.includes(text))
  if (!block) throw new Error(`${page} has no block with ${text}.`)
  return block.code
}

/** Runs a block. Resolves to the value of an expression after its last line. */
export async function run(
  code: string,
  names: Readonly<Record<string, unknown>>,
  result = '',
): Promise<unknown> {
  const plain = code.replaceAll(/^import .*$/gm, '').replaceAll(/^export /gm, '')
  const body = `return (async () => {${plain}\nreturn ${result}\n})()`
  return Reflect.apply(compileFunction(body, Object.keys(names)), undefined, Object.values(names)) as unknown
}
