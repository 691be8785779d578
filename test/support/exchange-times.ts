import type { Db } from 'mongodb'

/**
 * Lets time pass since the exchanges of a session, or of all sessions. The times are those of the database server, whose
 * clock no test can move, so the stored times are moved back.
 */
export async function letExchangesAge(db: Db, ms: number, refreshToken?: string): Promise<void> {
  const issues = {
    $map: {
      input: '$issues',
      in: { $mergeObjects: ['$$this', { issuedAt: { $subtract: ['$$this.issuedAt', ms] } }] },
    },
  }
  const ofSession = refreshToken === undefined ? {} : { _id: refreshToken.split('.')[0]! }
  const sessions = db.collection<{ _id: string; issues: unknown }>('custom_user_data_sessions')
  await sessions.updateMany({ issues: { $exists: true }, ...ofSession }, [{ $set: { issues } }])
}
