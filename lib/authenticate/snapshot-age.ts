import type { Request } from 'express'
import type { Snapshots } from '../snapshots/snapshots.js'
import type { Attachments } from './attachments.js'
import type { Authenticator } from './authenticator.js'
import { requireTokenUser } from './reload.js'
import type { RequestUsers } from './request-users.js'
import type { TokenReader } from './token-places.js'

/**
 * Creates the function that tells the age of the custom data of a request. It looks into the cache only when a handler asks,
 * so that a request with a cached token notes nothing.
 */
export function createSnapshotAge(parts: {
  readonly authenticator: Pick<Authenticator, 'ageMsOf'>
  readonly attachments: Pick<Attachments, 'of'>
  readonly snapshots: Pick<Snapshots, 'ageMsOf'>
  readonly requestUsers: Pick<RequestUsers, 'find'>
  readonly tokens: TokenReader
}) {
  const { authenticator, attachments, snapshots } = parts
  return (req: Request): number | undefined => {
    const attachment = attachments.of(req)
    if (attachment) return snapshots.ageMsOf(attachment.binding.cacheKey, attachment.data)
    const { user, token } = requireTokenUser(req, parts)
    return authenticator.ageMsOf(token, Reflect.get(user, 'customData'))
  }
}
