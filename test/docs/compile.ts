import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import ts from 'typescript'
import { ROOT } from './markdown.js'
import type { BlockModule } from './modules.js'

const SETUPS = `${ROOT}test/docs/setups/`
const REGISTERED_TYPES = `${SETUPS}registered-types.d.ts`

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.es2024.string.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  paths: ownNames(),
  types: ['node'],
  strict: true,
  allowJs: true,
  checkJs: true,
  experimentalDecorators: true,
  esModuleInterop: true,
  skipLibCheck: true,
  noEmit: true,
}

/** Pages of the browser are JavaScript, see below. */
const BROWSER_OPTIONS: ts.CompilerOptions = {
  ...OPTIONS,
  strict: false,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  types: [],
}

/** JavaScript is checked as an editor checks it, where nobody has written types. */
const JAVASCRIPT_OPTIONS: ts.CompilerOptions = { ...OPTIONS, strict: false }

/** Compiles modules that are not on the disk, and returns the errors of each module by its path. */
export function compile(modules: readonly BlockModule[]): Map<string, string[]> {
  const host = createHost(new Map(modules.map(({ path, text }) => [path, text])))
  const errors = new Map<string, string[]>()
  const check = (some: readonly BlockModule[], options: ts.CompilerOptions, more: readonly string[] = []) => {
    if (some.length === 0) return
    const program = ts.createProgram([...some.map(({ path }) => path), ...more], options, host)
    for (const one of some) errors.set(one.path, errorsOf(program, one))
    for (const path of more) errors.set(path, errorsOf(program, { path }))
  }
  const inWorld = (world: BlockModule['world']) => modules.filter(one => one.world === world)
  check(inWorld('server'), OPTIONS, setupFiles())
  check(inWorld('javascript'), JAVASCRIPT_OPTIONS, [REGISTERED_TYPES])
  check(inWorld('browser'), BROWSER_OPTIONS)
  for (const one of inWorld('alone')) check([one], OPTIONS)
  return errors
}

/** All setups are compiled, so that a page which nobody has written yet can use them. */
function setupFiles(): string[] {
  return readdirSync(SETUPS).map(name => SETUPS + name)
}

/** The programs share the files that they read, because parsing them takes most of the time. */
function createHost(texts: ReadonlyMap<string, string>): ts.CompilerHost {
  const host = ts.createCompilerHost(OPTIONS)
  const parsed = new Map<string, ts.SourceFile | undefined>()
  return {
    ...host,
    getCurrentDirectory: () => ROOT,
    fileExists: path => texts.has(path) || host.fileExists(path),
    readFile: path => texts.get(path) ?? host.readFile(path),
    directoryExists: path =>
      [...texts.keys()].some(key => dirname(key) === path) || ts.sys.directoryExists(path),
    getSourceFile(path, options) {
      const text = texts.get(path)
      if (text !== undefined) return ts.createSourceFile(path, text, options, true)
      if (!parsed.has(path)) parsed.set(path, host.getSourceFile(path, options))
      return parsed.get(path)
    },
  }
}

type Checked = Pick<BlockModule, 'path'> & Partial<Pick<BlockModule, 'lines' | 'blocks'>>

function errorsOf(program: ts.Program, { path, lines, blocks }: Checked): string[] {
  const file = program.getSourceFile(path)
  const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
  return found.map(({ start = 0, messageText }) => {
    const row = file!.getLineAndCharacterOfPosition(start).line
    const place = lines ? `${blocks![0]!.page}:${lines[row] ?? '?'}` : `${path.slice(ROOT.length)}:${row + 1}`
    return `${place}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  })
}

/** The names by which apps import this package, as in the project's own tsconfig.json. */
function ownNames(): ts.MapLike<string[]> {
  const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, path => ts.sys.readFile(path)) as {
    config: { compilerOptions: { paths: ts.MapLike<string[]> } }
  }
  const entries = Object.entries(config.compilerOptions.paths)
  const own = Object.fromEntries(entries.map(([name, files]) => [name, files.map(file => ROOT + file)]))
  // Teams install the package with the download; its core has the same types.
  return { ...own, 'mongodb-memory-server': [`${ROOT}node_modules/mongodb-memory-server-core`] }
}
