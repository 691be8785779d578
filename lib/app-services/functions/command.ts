import { AppServicesError } from '../wire/errors.js'
import { requireFitting } from '../wire/extended-json.js'
import { MAX_NAME_LENGTH } from './functions-schema.js'

/** A call as the client sends it. */
export interface Command {
  readonly name: string
  /** The arguments as JSON, not yet converted from Extended JSON. */
  readonly arguments: readonly unknown[]
  /** The name of the data source; `undefined` if the call is one of a function. */
  readonly service: string | undefined
}

/** More arguments are no call that somebody wrote. */
const MAX_ARGUMENTS = 100

/**
 * Reads a call from the body of a request.
 * @throws AppServicesError `MissingParameter`, `InvalidParameter`
 */
export function readCommand(body: Readonly<Record<string, unknown>>): Command {
  const { name, service = null, arguments: args = null } = body
  if (name === undefined) throw new AppServicesError('MissingParameter', 'the call names no function')
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_LENGTH)
    throw invalid(`"name" must be a text of ${MAX_NAME_LENGTH} characters at most`)
  if (service !== null && (typeof service !== 'string' || service.length > MAX_NAME_LENGTH))
    throw invalid(`"service" must be a text of ${MAX_NAME_LENGTH} characters at most`)
  if (args !== null && !Array.isArray(args)) throw invalid('"arguments" must be a list')
  if (args !== null && args.length > MAX_ARGUMENTS)
    throw invalid(`"arguments" must have ${MAX_ARGUMENTS} elements at most`)
  return { name, service: service === null || service === '' ? undefined : service, arguments: args ?? [] }
}

/**
 * Reads a call from the query of a request for a stream, where it is JSON as Base64.
 * @throws AppServicesError `MissingParameter`, `BadRequest` and those of {@link readCommand}
 */
export function readStreamCommand(query: URLSearchParams): Command {
  const request = query.get('baas_request') ?? query.get('stitch_request')
  if (request === null)
    throw new AppServicesError('MissingParameter', 'the query must have "baas_request" with the call')
  const body = decode(request)
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw malformed()
  requireFitting(body)
  return readCommand(body as Readonly<Record<string, unknown>>)
}

/** A query that was not escaped has lost its plus signs. */
function decode(request: string): unknown {
  const base64 = request.replaceAll(' ', '+')
  if (!/^[\w+/-]+={0,2}$/.test(base64)) throw malformed()
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64')))
  } catch {
    throw malformed()
  }
}

function malformed(): AppServicesError {
  return new AppServicesError('BadRequest', '"baas_request" must be a JSON object as Base64')
}

function invalid(message: string): AppServicesError {
  return new AppServicesError('InvalidParameter', message)
}
