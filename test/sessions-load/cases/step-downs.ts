import { MongoClient } from 'mongodb'
import { startMongod } from '../../../examples/support/start-mongod.js'
import { at, createTally } from '../case.js'
import type { Case } from '../case.js'
import { startService, tokenOf } from '../service.js'
import type { Service } from '../service.js'

const CLIENTS = 16
/** The time for which a primary that stepped down takes part in no election. */
const STEP_DOWN_SECONDS = 2

/** A replica set of three whose primary steps down again and again, during refreshes. */
export const stepDowns: Case = {
  name: 'step-downs',
  rule: 'no session is lost or forked while primaries step down',
  async run(_world, isQuick) {
    const times = isQuick ? 1 : 20
    const mongod = await startMongod({ count: 3 })
    const client = await MongoClient.connect(mongod.uri)
    const settings = { uri: mongod.uri, database: 'step_downs' }
    const services = await Promise.all([startService(settings), startService(settings)])
    const tally = createTally(
      'refreshes',
      'answered200',
      'answered503',
      'answeredElse',
      'lostFamilies',
      'doubleSuccessors',
    )
    try {
      const run = { goesOn: true }
      const clients = Array.from({ length: CLIENTS }, (_, n) => keepRefreshing(services, n, { tally, run }))
      for (let n = 0; n < times; n++) await stepDown(client)
      run.goesOn = false
      await Promise.all(clients)
      const sessions = client.db('step_downs').collection('custom_user_data_sessions')
      const falselyRevoked = await sessions.countDocuments({ revokedAt: { $ne: null } })
      const expected = { answeredElse: 0, lostFamilies: 0, doubleSuccessors: 0, falselyRevoked: 0 }
      return { figures: { stepDowns: times, ...tally, falselyRevoked }, expected }
    } finally {
      await Promise.all(services.map(service => service.kill()))
      await client.close()
      await mongod.stop()
    }
  },
}

interface Load {
  readonly tally: Record<
    'refreshes' | 'answered200' | 'answered503' | 'answeredElse' | 'lostFamilies' | 'doubleSuccessors',
    number
  >
  readonly run: { goesOn: boolean }
}

/** One client. It asks both processes at once with its token, and continues with the token of the answer. */
async function keepRefreshing(services: readonly Service[], n: number, { tally, run }: Load): Promise<void> {
  let token = await at(services, n).logIn(`user${n}`)
  while (run.goesOn) {
    const current = token
    const answers = await Promise.all(services.map(service => service.refresh(current)))
    const successors = new Set<string>()
    for (const answer of answers) {
      const { status } = answer
      tally.refreshes++
      tally[status === 200 ? 'answered200' : status === 503 ? 'answered503' : 'answeredElse']++
      if (status === 200) successors.add(tokenOf(answer))
    }
    if (successors.size > 1) tally.doubleSuccessors++
    for (const successor of successors) token = successor
  }
  if (!(await isAlive(at(services, n), token))) tally.lostFamilies++
}

async function isAlive(service: Service, token: string): Promise<boolean> {
  for (let n = 0; n < 60; n++) {
    const { status } = await service.refresh(token)
    if (status !== 503) return status === 200
    await new Promise(resolve => setTimeout(resolve, 500))
  }
  return false
}

async function stepDown(client: MongoClient): Promise<void> {
  // Some versions of the server close the connection, which is an error here.
  await client
    .db('admin')
    .command({ replSetStepDown: STEP_DOWN_SECONDS, force: true })
    .catch(() => undefined)
  for (let n = 0; n < 60; n++) {
    const hello = await client
      .db('admin')
      .command({ hello: 1 })
      .catch(() => undefined)
    if (hello?.['isWritablePrimary'] === true) break
    await new Promise(resolve => setTimeout(resolve, 250))
  }
  await new Promise(resolve => setTimeout(resolve, 1_000))
}
