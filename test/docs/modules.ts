import { existsSync } from 'node:fs'
import ts from 'typescript'
import { ROOT } from './markdown.js'
import type { Block } from './markdown.js'

/** The folder in which the modules of the blocks would be, if they were written. */
const FOLDER = `${ROOT}test/docs/blocks/`
const SETUPS = `${ROOT}test/docs/setups/`

/** One or more blocks of a page as the module that a compiler reads. */
export interface BlockModule {
  readonly path: string
  readonly text: string
  readonly blocks: readonly Block[]
  /** The line of the page for each line of the text. */
  readonly lines: readonly number[]
  /** Which modules are compiled together. Browser code knows the DOM and not Node. */
  readonly world: World
}

type World = 'server' | 'javascript' | 'browser' | 'alone'

const CODE_TAGS = ['ts', 'js']

/** Joins blocks that continue others, and adds imports of the names that each module takes from its setups. */
export function toModules(blocks: readonly Block[]): BlockModule[] {
  const groups: Block[][] = []
  for (const block of blocks.filter(isCode)) {
    if (!block.continues) groups.push([block])
    else if (groups.at(-1)?.[0]?.page === block.page) groups.at(-1)!.push(block)
    else throw new Error(`${block.page}:${block.line}: There is no block that this block could continue.`)
  }
  return groups.map(toModule)
}

function isCode({ tag, isSignature }: Block): boolean {
  return CODE_TAGS.includes(tag) && !isSignature
}

function toModule(blocks: readonly Block[]): BlockModule {
  const [first] = blocks as [Block, ...Block[]]
  const code = blocks.map(block => block.code).join('\n')
  const isBrowser = first.setups.includes('browser')
  const isCommonJs = /\brequire\(/.test(code) && !/^import /m.test(code)
  const path = `${FOLDER}${first.page.replaceAll('/', '_')}.${first.line}.${isCommonJs ? `c${first.tag}` : first.tag}`
  const [before, after] = wrapperOf(code, first)
  const imports = isBrowser ? '' : importsFor(before + code, first, isCommonJs)
  const lines = blocks.flatMap(block => block.code.split('\n').map((_, index) => block.line + 1 + index))
  return {
    path,
    text: `${imports}${before}\n${code}\n${after}`,
    blocks,
    lines: [first.line, ...lines, blocks.at(-1)!.line],
    world: isBrowser ? 'browser' : worldOf(first, code),
  }
}

/** A block that declares types for a whole app is compiled alone, so that it does not change other blocks. */
function worldOf({ tag }: Block, code: string): World {
  if (/^\s*declare (module|global)\b/m.test(code)) return 'alone'
  return tag === 'js' ? 'javascript' : 'server'
}

/** What stands before and behind code that is no statement. */
function wrapperOf(code: string, block: Block): readonly [string, string] {
  if (isPart(code)) return wrapPart(block)
  return code.startsWith('{') ? ['void (', ')'] : ['', '']
}

/** Whether the code is members of an object, such as `tokenPlaces: req => req.headers['x-access-token']`. */
function isPart(code: string): boolean {
  return /^(\/\/.*\n)*[a-zA-Z]+: /.test(code.trimStart())
}

function wrapPart({ page, tag, partOf = 'CustomUserDataOptions<object>' }: Block): [string, string] {
  const entryPoint = page === 'docs/reference/app-services.md' ? '/app-services' : ''
  const type = `Partial<import('express-custom-user-data${entryPoint}').${partOf}>`
  return tag === 'ts' ? [`const part: ${type} = {`, '}'] : [`/** @type {${type}} */ const part = {`, '}']
}

function importsFor(code: string, { page, line, tag, setups }: Block, isCommonJs: boolean): string {
  const { used, declared } = findNames(code)
  const missing = new Set([...used].filter(name => !declared.has(name)))
  const imports: string[] = []
  for (const setup of [...setups, 'common']) {
    const { values, types } = exportsOf(setup, `${page}:${line}`)
    const names = [...values, ...(tag === 'ts' ? types : [])].filter(name => missing.delete(name))
    if (names.length === 0) continue
    const list = `{ ${names.join(', ')} }`
    const file = `'../setups/${setup}.js'`
    imports.push(isCommonJs ? `const ${list} = require(${file});` : `import ${list} from ${file};`)
  }
  return imports.join(' ')
}

/** All names in the code, and the names that its top level declares. */
function findNames(code: string): { used: Set<string>; declared: Set<string> } {
  const file = ts.createSourceFile('block.ts', code, ts.ScriptTarget.Latest, false)
  const used = new Set<string>()
  const collect = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) used.add(node.text)
    ts.forEachChild(node, collect)
  }
  collect(file)
  return { used, declared: new Set(file.statements.flatMap(declaredNames)) }
}

function declaredNames(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => namesOf(name))
  }
  if (ts.isImportDeclaration(statement)) {
    const { name, namedBindings } = statement.importClause ?? {}
    const named =
      namedBindings === undefined
        ? []
        : ts.isNamespaceImport(namedBindings)
          ? [namedBindings.name]
          : namedBindings.elements.map(element => element.name)
    return [...(name ? [name] : []), ...named].map(({ text }) => text)
  }
  const isNamed =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement) ||
    ts.isEnumDeclaration(statement)
  return isNamed && statement.name ? [statement.name.text] : []
}

function namesOf(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text]
  return name.elements.flatMap(element => (ts.isOmittedExpression(element) ? [] : namesOf(element.name)))
}

const setupExports = new Map<string, { values: string[]; types: string[] }>()

function exportsOf(setup: string, place: string): { values: string[]; types: string[] } {
  const known = setupExports.get(setup)
  if (known) return known
  const path = `${SETUPS}${setup}.ts`
  if (!existsSync(path)) throw new Error(`${place}: There is no file test/docs/setups/${setup}.ts.`)
  const { statements } = ts.createSourceFile(path, ts.sys.readFile(path)!, ts.ScriptTarget.Latest)
  const exported = statements.filter(isExported)
  const isType = (one: ts.Statement) => ts.isInterfaceDeclaration(one) || ts.isTypeAliasDeclaration(one)
  const again = statements.filter(one => ts.isExportDeclaration(one))
  const found = {
    values: [
      ...exported.filter(one => !isType(one)).flatMap(declaredNames),
      ...again.filter(one => !one.isTypeOnly).flatMap(exportedAgain),
    ],
    types: [
      ...exported.filter(isType).flatMap(declaredNames),
      ...again.filter(one => one.isTypeOnly).flatMap(exportedAgain),
    ],
  }
  setupExports.set(setup, found)
  return found
}

function isExported(statement: ts.Statement): boolean {
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false
}

/** The names of `export { a, b } from 'c'`. */
function exportedAgain({ exportClause }: ts.ExportDeclaration): string[] {
  return exportClause && ts.isNamedExports(exportClause)
    ? exportClause.elements.map(one => one.name.text)
    : []
}
