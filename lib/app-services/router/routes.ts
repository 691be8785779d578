import type { Request, Response } from 'express'
import type { Answer } from '../wire/answers.js'

/** A request to one of the routes. */
export interface Call {
  readonly req: Request
  readonly res: Response
  /** The JSON body, not yet converted from Extended JSON; `{}` without a body. */
  readonly body: Readonly<Record<string, unknown>>
  /** The parts of the path that the route names. */
  readonly params: Readonly<Record<string, string>>
  /** The parameters of the query. */
  readonly query: URLSearchParams
  /** The address of the client. */
  readonly address: string | undefined
}

/**
 * A route of the client protocol. `base: 'app'` means that its path follows `/api/client/v2.0/app/{appId}`, and `api` that it
 * follows `/api/client/v2.0`.
 */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  readonly base: 'app' | 'api'
  readonly path: string
  /** Whether the members of the body are credentials. Reports of errors leave their values out, whatever their names are. */
  readonly takesCredentials?: boolean
  /** Answers a call. `undefined`: the function has answered by itself, as a stream does. */
  readonly handle: (call: Call) => Promise<Answer | undefined> | Answer
}
