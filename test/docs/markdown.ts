import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The package's folder. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A fenced block of a page. */
export interface Block {
  readonly page: string
  /** The number of the line that opens the block. The first line of a page is 1. */
  readonly line: number
  /** `ts`, `js`, `sh` and so on; empty if the fence has no tag. */
  readonly tag: string
  readonly code: string
  /** Names of files in `test/docs/setups/`. */
  readonly setups: readonly string[]
  /** Whether the block goes on where the previous block of code ended. */
  readonly continues: boolean
  /** Whether the page asks for a run of the block. */
  readonly run: boolean
  /** Whether the block shows a signature or a type from the source, which is compiled there. */
  readonly isSignature: boolean
  /** The type of the object that the block shows members of. */
  readonly partOf: string | undefined
}

const COMMENT = /^ *<!-- *(setup|continue|run|part of|signature) *(?:: *(.*?))? *-->$/

/** Pages whose blocks are compiled and whose links are followed. */
export function listPages(): string[] {
  const examples = readdirSync(`${ROOT}examples`).map(name => `examples/${name}/README.md`)
  const all = [...pagesIn(''), ...pagesIn('docs/'), ...examples, 'lib/README.md', 'test/bench/README.md']
  return all.filter(page => existsSync(ROOT + page)).sort()
}

function pagesIn(folder: string): string[] {
  if (!existsSync(ROOT + folder)) return []
  const files = readdirSync(ROOT + folder, { recursive: folder !== '', encoding: 'utf8' })
  return files.filter(name => name.endsWith('.md')).map(name => folder + name)
}

export function readPage(page: string): string {
  return readFileSync(ROOT + page, 'utf8')
}

/** Finds the blocks of a page, with the settings that the HTML comments above them make. */
export function findBlocks(page: string, text: string): Block[] {
  const lines = text.split('\n')
  const blocks: Block[] = []
  let setups: string[] = []
  let next: Pick<Block, 'continues' | 'run' | 'isSignature' | 'partOf'> = NOTHING_SAID
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!
    const [, name, value = ''] = COMMENT.exec(line) ?? []
    if (name === 'setup') setups = value.split(',').map(setup => setup.trim())
    if (name === 'continue') next = { ...next, continues: true }
    if (name === 'run') next = { ...next, run: true }
    if (name === 'signature') next = { ...next, isSignature: true }
    if (name === 'part of') next = { ...next, partOf: value }
    const [, indent = '', fence, tag = ''] = /^( *)(```+)(\S*)/.exec(line) ?? []
    if (fence === undefined) continue
    const end = lines.findIndex((other, at) => at > index && other.trim() === fence)
    if (end === -1) throw new Error(`${page}:${index + 1}: The block has no end.`)
    const code = lines.slice(index + 1, end).map(row => row.slice(indent.length))
    blocks.push({ page, line: index + 1, tag, code: code.join('\n'), setups, ...next })
    next = NOTHING_SAID
    index = end
  }
  return blocks
}

const NOTHING_SAID = { continues: false, run: false, isSignature: false, partOf: undefined } as const

/** A page without its blocks and code in backticks, in which a bracket means no link. */
export function withoutCode(text: string): string {
  return text
    .replace(/^( *)(```+)[^\n]*\n[\s\S]*?^ *\2$/gm, block => '\n'.repeat(block.split('\n').length - 1))
    .replace(/`[^`\n]+`/g, code => '`'.repeat(code.length))
}

/** The anchors of a page: its headings as GitHub makes them, and the ids of its HTML. */
export function findAnchors(text: string): Set<string> {
  const anchors = new Set<string>()
  const headings = text.replace(/^( *)(```+)[^\n]*\n[\s\S]*?^ *\2$/gm, '').matchAll(/^#+ +(.*?) *#*$/gm)
  for (const [, heading] of headings) {
    const anchor = toAnchor(heading!)
    let unique = anchor
    for (let count = 1; anchors.has(unique); count++) unique = `${anchor}-${count}`
    anchors.add(unique)
  }
  for (const [, id] of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(id!)
  return anchors
}

function toAnchor(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    .replaceAll(' ', '-')
}
