import type { Request } from 'express'
import type { SessionOrigin } from '../sessions/session-document.js'
import { toShownAddress } from '../util/client-address.js'
import { toDeviceLabel } from './device-label.js'

/** The client of a login, a refresh or a logout. */
export interface Client extends SessionOrigin {
  /** The request; `undefined` if the app called a function of this package without one. */
  readonly req: Request | undefined
}

/** What the app says of a client. */
export interface ClientDescription {
  /**
   * A label such as `Firefox on Linux` for the user's list of sessions. 128 characters at most are stored.
   * @default unknown
   */
  readonly device?: string | null | undefined
  /**
   * The client's IP address, 64 characters at most.
   * @default unknown
   */
  readonly address?: string | null | undefined
}

/** The client that sent a request. */
export function clientOf(req: Request): Client {
  // Not every request comes from Node: those of tests and adapters may lack headers.
  const { 'user-agent': userAgent } = req.headers
  return { req, device: toDeviceLabel(userAgent), address: toShownAddress(req.ip) ?? null }
}

/** The client of a call without a request, as the app describes it. An empty address is no address. */
export function describedClient({ device, address }: ClientDescription): Client {
  const isKnown = address !== undefined && address !== null && address !== ''
  return {
    req: undefined,
    device: device ?? null,
    address: isKnown ? (toShownAddress(address) ?? null) : null,
  }
}
