import { isRegExp } from 'node:util/types'
import type { Request } from 'express'
import { isObject } from '../util/plain-object.js'

/** A middleware, a handler or an error handler. */
export type Handler = (...args: never[]) => unknown

/** The parts of a layer of Express 4 or 5 that are read. Each may be absent in another framework. */
interface Layer {
  readonly handle?: unknown
  /** A layer of a route has the method; `undefined` stands for all methods. */
  readonly method?: unknown
  readonly route?: unknown
  /** Express 5: whether the layer takes every path. */
  readonly slash?: unknown
  /** Express 5: a function for each path of the layer. */
  readonly matchers?: unknown
  /** Express 5.2: the paths as the app wrote them. */
  readonly rawPath?: unknown
  /** Express 4. */
  readonly regexp?: unknown
}

/** The parts of an app that are read. */
interface App {
  readonly _router?: unknown
  readonly router?: unknown
  readonly parent?: unknown
  path?(): unknown
}

/** A stack with more layers has a circle. */
const MAX_LAYERS = 10_000
/** So many apps are not mounted in each other. */
const MAX_PARENTS = 50

/** The stack has another form than that of Express 4 and 5, so nothing is known about it. */
class UnknownStackError extends Error {
  override readonly name = 'UnknownStackError'
}

/**
 * The handlers that an app calls for a request, in their order, if each of them passes the request on. The handlers of nested
 * routers are among them. Those of a mounted app are not, because Express keeps the mounted app in a closure.
 *
 * It only reads: `layer.match()` of Express changes the layer, so the path is compared here. Throws if the form of the app, of a
 * layer or of the request is not known.
 */
export function handlersFor(req: Request): readonly Handler[] {
  const found: Handler[] = []
  const method = req.method.toLowerCase()
  forEachLayer(routerOf(req.app), pathInApp(req), (handle, takes) => {
    if (takes(method) && handle.length < 4) found.push(handle)
  })
  return found
}

/** All error handlers of an app and of the apps that it is mounted in. Throws if the form of the app is not known. */
export function errorHandlersOf(app: unknown): readonly Handler[] {
  const found: Handler[] = []
  for (let depth = 0; app !== undefined; depth++) {
    if (depth > MAX_PARENTS) throw new UnknownStackError()
    forEachLayer(routerOf(app), undefined, handle => {
      if (handle.length === 4) found.push(handle)
    })
    app = (app as App).parent
  }
  return found
}

/** Express 4 has a getter `router` that throws, and Express 5 has no `_router`. */
function routerOf(app: unknown): unknown {
  const { _router: router = (app as App).router } = app as App
  return router
}

/** The path of a request behind the path at which its app is mounted. */
function pathInApp({ app, baseUrl, url }: Request): string {
  const [path = ''] = url.split('?', 1)
  if (!path.startsWith('/')) throw new UnknownStackError()
  const whole = path === '/' && baseUrl !== '' ? baseUrl : baseUrl + path
  const mounted = (app as App).parent === undefined ? '' : (app as App).path?.()
  if (typeof mounted !== 'string') throw new UnknownStackError()
  const rest = behind(whole, mounted.replace(/\/+$/, ''))
  if (rest === undefined) throw new UnknownStackError()
  return rest
}

/** Calls `visit` for each layer that takes the path; without a path for all layers. */
function forEachLayer(
  router: unknown,
  path: string | undefined,
  visit: (handle: Handler, takes: (method: string) => boolean) => void,
): void {
  let left = MAX_LAYERS
  function walk(holder: unknown, rest: string | undefined): void {
    for (const layer of stackOf(holder)) {
      if (left-- <= 0) throw new UnknownStackError()
      const matched = rest === undefined ? undefined : matchedBy(layer, rest)
      if (rest !== undefined && matched === undefined) continue
      if (layer.route !== undefined) {
        const ofRoute = stackOf(layer.route)
        for (const inner of ofRoute) visit(handleOf(inner), wanted => takesMethod(ofRoute, inner, wanted))
        continue
      }
      const inside = rest === undefined ? undefined : behind(rest, matched ?? '')
      if (rest !== undefined && inside === undefined) continue
      const handle = handleOf(layer)
      visit(handle, () => true)
      if ('stack' in handle) walk(handle, inside)
    }
  }
  walk(router, path)
}

function stackOf(holder: unknown): readonly Layer[] {
  const { stack } = holder as { readonly stack?: unknown }
  if (!Array.isArray(stack) || !stack.every(isObject)) throw new UnknownStackError()
  return stack
}

function handleOf({ handle }: Layer): Handler {
  if (typeof handle !== 'function') throw new UnknownStackError()
  return handle as Handler
}

/** Whether a layer of a route takes a method. Express calls the handlers of GET for HEAD. */
function takesMethod(ofRoute: readonly Layer[], { method }: Layer, wanted: string): boolean {
  const isGet = wanted === 'head' && ofRoute.every(layer => layer.method !== 'head')
  return method === undefined || method === (isGet ? 'get' : wanted)
}

/** The part of the path that a layer matches, which is empty for all paths; `undefined` if it does not take the path. */
function matchedBy(layer: Layer, path: string): string | undefined {
  if (layer.slash === true) return ''
  if (Array.isArray(layer.matchers)) return matchedByMatchers(layer, layer.matchers, path)
  const { regexp } = layer
  if (!isRegExp(regexp) || hasState(regexp)) throw new UnknownStackError()
  const { fast_slash: takesAll, fast_star: takesRest } = regexp as {
    readonly fast_slash?: boolean
    readonly fast_star?: boolean
  }
  if (takesAll === true) return ''
  return takesRest === true ? path : regexp.exec(path)?.[0]
}

function matchedByMatchers(
  { rawPath }: Layer,
  matchers: readonly unknown[],
  path: string,
): string | undefined {
  if ([rawPath].flat().some(hasState)) throw new UnknownStackError()
  for (const matches of matchers) {
    const match = (matches as (path: string) => unknown)(path)
    if (isObject(match)) return (match as { readonly path: string }).path
  }
  return undefined
}

/** Such an expression remembers where it found something, so a comparison would change the next one. */
function hasState(path: unknown): boolean {
  return isRegExp(path) && (path.global || path.sticky)
}

/** The path behind a beginning that ends with a whole segment; `undefined` for any other beginning. */
function behind(path: string, start: string): string | undefined {
  if (!path.startsWith(start)) return undefined
  const rest = path.slice(start.length)
  if (rest === '') return '/'
  return rest.startsWith('/') ? rest : start.endsWith('/') ? `/${rest}` : undefined
}
