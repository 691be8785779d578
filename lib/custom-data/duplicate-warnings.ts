import { LRUCache } from 'lru-cache'
import type { Events } from '../events.js'

/** Users remembered as warned about; beyond it a warning may come again. */
const MAX_REMEMBERED = 1_000

/** Creates a function that warns once for each user whose id is in several documents. */
export function createDuplicateWarnings(userIdField: string, events: Events): (userId: string) => void {
  const warned = new LRUCache<string, true>({ max: MAX_REMEMBERED })
  return userId => {
    if (warned.has(userId)) return
    warned.set(userId, true)
    events.warn({
      code: 'duplicate_documents',
      userId,
      message:
        `Several documents hold the user id "${userId}" in "${userIdField}". The one inserted first is used, and ` +
        'texts go before ObjectIds. Remove the others; uniqueUserId: true keeps new ones out.',
    })
  }
}
