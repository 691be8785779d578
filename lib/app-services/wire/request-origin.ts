import type { Call } from '../router/routes.js'

/** What functions of the team are told about a request. The names are those of App Services. */
export interface RequestOrigin {
  /** The address of the client, as `req.ip`. Behind a proxy it needs the setting `trust proxy` of Express. */
  readonly remoteIPAddress: string | undefined
  readonly httpUserAgent: string | undefined
}

/** Describes the request of a call. */
export function requestOriginOf({ req, address }: Call): RequestOrigin {
  return { remoteIPAddress: address, httpUserAgent: req.headers['user-agent'] }
}
