/** The other process: an instance that answers when it first sees what it is asked to wait for. */
import { setImmediate } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { createTestUserData } from '../support/user-data.js'

/** What the reader is asked. `data`: wait until a token's data has this `n`; `refused`: until the token is refused. */
export interface Question {
  readonly kind: 'data' | 'refused' | 'look'
  readonly token: string
  readonly n?: number
}

/** When it was seen, in nanoseconds of the machine's clock, and what the token gives now. */
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

/** While there is no primary, loads fail: that is no stale answer. */
async function look(token: string): Promise<unknown> {
  try {
    return (await userData.verifyToken(token)).customData['n'] ?? 0
  } catch (error) {
    return (error as { code?: unknown }).code === 'invalid_token' ? 'refused' : 'unavailable'
  }
}
