import type { RequestFacts } from '../../index.js'
import type { Call } from '../router/routes.js'

/** What rules can name of a request. */
export function requestFactsOf({ req, address, query }: Call): RequestFacts {
  return {
    method: req.method,
    ip: address,
    rawQueryString: query.toString(),
    header: name => req.headers[name],
    param: () => undefined,
  }
}
