/** The other process. Its instance answers when it first sees the awaited state. */
import { setImmediate } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { createTestUserData } from '../support/user-data.js'

/**
 * A question to the reader. `data` waits until the token's data has this `n`, and `refused` until the token is
 * refused.
 */
export interface Question {
  readonly kind: 'data' | 'refused' | 'look'
  readonly token: string
  readonly n?: number
}

/** The time of the first sight, in nanoseconds of the machine's clock, and the current `n` of the token's data. */
export interface Answer {
  readonly at: string
  readonly n: number | undefined
}

const [uri = '', databaseName = ''] = process.argv.slice(2)
const client = new MongoClient(uri)
const userData = createTestUserData({ db: client.db(databaseName) }, { changeStreams: 'auto' })

process.on('message', (question: Question) => {
  void answer(question).then(found => process.send?.(found))
})
process.on('disconnect', () => process.exit())
await userData.ready()
process.send?.('ready')

async function answer({ kind, token, n }: Question): Promise<Answer> {
  for (;;) {
    const seen = await look(token)
    const isIt = kind === 'look' || (kind === 'data' ? seen === n : seen === 'refused')
    if (isIt) return { at: String(process.hrtime.bigint()), n: typeof seen === 'number' ? seen : undefined }
    await setImmediate()
  }
}

/** Loads fail while there is no primary. A failed load does not count as a stale answer. */
async function look(token: string): Promise<unknown> {
  try {
    return (await userData.verifyToken(token)).customData['n'] ?? 0
  } catch (error) {
    return (error as { code?: unknown }).code === 'invalid_token' ? 'refused' : 'unavailable'
  }
}
