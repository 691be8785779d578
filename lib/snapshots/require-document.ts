import { CustomUserDataError } from '../errors.js'
import { noteRefusal } from '../refusals.js'
import type { Snapshot } from './snapshot-cache.js'

/** Throws `custom_data_missing` if the user has no document. Call it where the option `requireDocument` is on. */
export function requireDocument(snapshot: Pick<Snapshot, 'exists'>, userId: string): void {
  if (snapshot.exists) return
  throw noteRefusal(new CustomUserDataError('custom_data_missing', 'The user has no custom data.'), {
    userId,
  })
}
