import { ownValue } from './compare.js'
import { mistake } from './place.js'
import type { Place } from './place.js'

/** The values of a user and a request that rules can name. A missing value is `undefined`. */
export interface RuleFacts {
  /** `%%user.id`. */
  readonly userId: string
  /** `%%user.custom_data`. */
  readonly customData?: unknown
  /**
   * `%%user.data`, for example the verified claims of the access token.
   * @default undefined, with which all its fields are missing
   */
  readonly userData?: unknown
  /**
   * `%%user.type`: App Services had `normal`, `server` for logins by an API key, and `system`.
   * @default 'normal'
   */
  readonly userType?: string | undefined
  /**
   * The values under `%%request`.
   * @default undefined, with which all of them are missing
   */
  readonly request?: RequestFacts | undefined
}

/** The values of a request that rules can name. */
export interface RequestFacts {
  readonly method: string
  readonly ip: string | undefined
  /** The part of the address after the question mark; empty if there is none. */
  readonly rawQueryString: string
  /** A header, as the client sent it or middleware has set it; a list of its values if it was sent several times. */
  header(name: string): string | readonly string[] | undefined
  /** A parameter of the route. */
  param(name: string): string | undefined
}

/** Gives a value of a rule for one request; `undefined` if it is missing. */
export type Operand = (facts: RuleFacts) => unknown

/** Makes the operand of an expansion with this path behind its name; `undefined` if the expansion takes no such path. */
type Resolver = (path: readonly string[]) => Operand | undefined

const KNOWN =
  'write %%user.id, %%user.type, %%user.custom_data.…, %%user.data.…, %%request.httpMethod, ' +
  '%%request.httpReferrer, %%request.httpUserAgent, %%request.rawQueryString, %%request.remoteIPAddress, ' +
  '%%request.requestHeaders.…, %%request.params.…, %%true or %%false, or a function instead of the rule'
const NO_DOCUMENT =
  'a guard has no document; write %%user.custom_data.…, %%request.params.…, or a function instead of the rule'
const NO_VALUES = 'write the value itself'

/** Expansions of App Services that a guard cannot have, each with what to write instead. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ...['this', 'prev', 'root', 'prevRoot', 'args', 'partition'].map(name => [name, NO_DOCUMENT] as const),
  ...['values', 'environment'].map(name => [name, NO_VALUES] as const),
  [
    'user.identities',
    'a user has no list of identities; write %%user.data.iss for the issuer of the access token',
  ],
  [
    'request.requestHeaders.cookie',
    'the header holds all cookies in one text; write a function instead of the rule, which reads the cookie',
  ],
])

const RESOLVERS: ReadonlyMap<string, Resolver> = new Map<string, Resolver>([
  ['true', alone(() => true)],
  ['false', alone(() => false)],
  ['user.id', alone(({ userId }) => userId)],
  ['user.type', alone(({ userType }) => userType ?? 'normal')],
  ['user.custom_data', inside(({ customData }) => customData)],
  ['user.data', inside(({ userData }) => userData)],
  ['request.httpMethod', ofRequest(({ method }) => method)],
  ['request.httpReferrer', ofRequest(request => request.header('referer'))],
  ['request.httpUserAgent', ofRequest(request => request.header('user-agent'))],
  ['request.rawQueryString', ofRequest(({ rawQueryString }) => rawQueryString)],
  ['request.remoteIPAddress', ofRequest(({ ip }) => ip)],
  ['request.requestHeaders', named((request, name) => request.header(name.toLowerCase()))],
  ['request.params', named((request, name) => request.param(name))],
])

/** Whether a text of a rule is an expansion. */
export function isExpansion(text: string): boolean {
  return text.startsWith('%%')
}

/** Compiles an expansion; throws an `OptionError` for one that a guard does not know. */
export function compileExpansion(text: string, place: Place): Operand {
  const segments = text.slice(2).split('.')
  if (segments.includes('')) throw mistake(place, `"${text}" has an empty name between two dots`)
  for (const length of [1, 2, 3]) {
    const elsewhere = ELSEWHERE.get(toExpansionName(segments.slice(0, length)))
    if (elsewhere !== undefined) throw mistake(place, `there is no expansion "${text}" here: ${elsewhere}`)
  }
  for (const length of [1, 2]) {
    const resolve = RESOLVERS.get(segments.slice(0, length).join('.'))
    const operand = resolve?.(segments.slice(length))
    if (operand) return operand
  }
  throw mistake(place, `there is no expansion "${text}" here: ${KNOWN}`)
}

/** Names of headers are the same in upper and lower case. */
function toExpansionName(segments: readonly string[]): string {
  const [first, second, header] = segments
  const isHeader = first === 'request' && second === 'requestHeaders' && header !== undefined
  return isHeader ? `${first}.${second}.${header.toLowerCase()}` : segments.join('.')
}

function alone(read: Operand): Resolver {
  return path => (path.length === 0 ? read : undefined)
}

function ofRequest(read: (request: RequestFacts) => unknown): Resolver {
  return alone(({ request }) => request && read(request))
}

function named(read: (request: RequestFacts, name: string) => unknown): Resolver {
  return path => (path.length === 0 ? undefined : ({ request }) => request && read(request, path.join('.')))
}

function inside(read: Operand): Resolver {
  return path => facts => path.reduce(ownValue, read(facts))
}
