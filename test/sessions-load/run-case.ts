import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import type { SessionDocument } from '../../lib/sessions/session-document.js'
import type { Case, Figures } from './case.js'
import { startService } from './service.js'
import type { Service } from './service.js'

/** The figures of a case, and the names of the wrong ones. */
export interface Report {
  readonly figures: Figures
  readonly wrong: readonly string[]
}

/** Runs a case in its own database, and ends every process that it started. */
export async function runCase({ run }: Case, uri: string, isQuick: boolean): Promise<Report> {
  const client = await MongoClient.connect(uri)
  const database = `sessions_${randomBytes(6).toString('hex')}`
  const db = client.db(database)
  const services: Service[] = []
  async function start(count: number, options: Readonly<Record<string, unknown>> = {}): Promise<Service[]> {
    const started = Array.from({ length: count }, () => startService({ uri, database, options }))
    const fresh = await Promise.all(started)
    services.push(...fresh)
    return fresh
  }
  try {
    const world = { db, sessions: db.collection<SessionDocument>('custom_user_data_sessions'), start }
    const { figures, expected } = await run(world, isQuick)
    return { figures, wrong: Object.keys(expected).filter(name => figures[name] !== expected[name]) }
  } finally {
    await Promise.all(services.map(service => service.kill()))
    await db.dropDatabase()
    await client.close()
  }
}
