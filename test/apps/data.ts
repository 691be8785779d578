import assert from 'node:assert/strict'
import type { Sent, Visit } from './visit.js'

/** The routes that each second patch adds behind the app's guard, below one path. */
export interface DataRoutes {
  /** The path of the route that answers with `req.user.customData`; `/fresh` and `/admin` are below it. */
  readonly path: string
  /** What authenticates the request. */
  readonly sent: Sent
  readonly userId: string
}

/**
 * Stale and fresh data, and a rule: the snapshot serves until a route asks for fresh data, and `/admin` lets only a user
 * with the role admin through.
 */
export async function visitData({ db, expect }: Visit, { path, sent, userId }: DataRoutes): Promise<void> {
  const documents = db.collection('custom_user_data')
  await documents.insertOne({ userId, language: 'en' })
  const first = await expect(200, 'GET', `${path}/fresh`, sent)
  assert.equal(first.body.language, 'en')
  await expect(403, 'GET', `${path}/admin`, sent)

  await documents.updateOne({ userId }, { $set: { language: 'de', role: 'admin' } })
  const stale = await expect(200, 'GET', path, sent)
  assert.equal(stale.body.language, 'en')
  const fresh = await expect(200, 'GET', `${path}/fresh`, sent)
  assert.equal(fresh.body.language, 'de')
  await expect(200, 'GET', `${path}/admin`, sent)
}
