import type { RequestFacts } from '../../index.js'
import type { Call } from '../router/routes.js'

/** What functions of the team are told about a request. The names are those of App Services. */
export interface RequestOrigin {
  /** The address of the client, as `req.ip`. Behind a proxy it needs the setting `trust proxy` of Express. */
  readonly remoteIPAddress: string | undefined
  /** The header `User-Agent`. */
  readonly httpUserAgent: string | undefined
}

/** Describes a request for functions of the team. */
export function requestOriginOf({ req, address }: Call): RequestOrigin {
  return { remoteIPAddress: address, httpUserAgent: req.headers['user-agent'] }
}

/** Describes a request for rules. */
export function requestFactsOf({ req, address, query }: Call): RequestFacts {
  return {
    method: req.method,
    ip: address,
    rawQueryString: query.toString(),
    header: name => req.headers[name],
    param: () => undefined,
  }
}
