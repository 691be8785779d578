import { MongoClient } from 'mongodb'
import type { Document } from 'mongodb'
import { startMongod } from '../../../examples/support/start-mongod.js'
import { primaryAddress } from '../../support/database.js'
import { startTcpProxy } from '../../support/tcp-proxy.js'
import type { TcpProxy } from '../../support/tcp-proxy.js'
import { createTally, forEachOf } from '../case.js'
import type { Case } from '../case.js'
import { patiently, startService, tokenOf } from '../service.js'
import type { Service } from '../service.js'

const APP_NAME = 'sessions-under-test'
/** The commands of a refresh: the exchange, the look-up of a replay, and the load. */
const COMMANDS = ['findAndModify', 'find', 'aggregate']
/** Errors of the server, by their names in its list of error codes, and a closed connection. */
const FAULTS: Readonly<Record<string, Document>> = {
  network: { closeConnection: true },
  notWritablePrimary: { errorCode: 10_107 },
  shutdownInProgress: { errorCode: 91 },
  primarySteppedDown: { errorCode: 189 },
  writeConcernTimeout: { writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' } },
  unexpected: { errorCode: 8 },
}
const NETWORK = ['cut', 'pause', 'dropResponses'] as const
const CLIENTS = 4
/** Faults happen once, so that the driver's second attempt succeeds, or until they are ended. */
const ALL_MODES = [{ times: 1 }, 'alwaysOn'] as const
type Mode = (typeof ALL_MODES)[number]

/** A fault at any step is a 503, and the token works later. */
export const storageFaults: Case = {
  name: 'storage-faults',
  rule: 'a refresh that MongoDB failed is a 503, and the same token works later',
  async run(_world, isQuick) {
    const mongod = await startMongod({ args: ['--setParameter', 'enableTestCommands=1'] })
    const client = await MongoClient.connect(mongod.uri)
    const { host, port } = await primaryAddress(client)
    const proxy = await startTcpProxy(host, port)
    const service = await startService({
      uri: `mongodb://127.0.0.1:${proxy.port}/?directConnection=true&appName=${APP_NAME}`,
      database: 'faults',
      options: { loadTimeoutMs: 500, sessionTimeoutMs: 500 },
      clientOptions: { heartbeatFrequencyMS: 500 },
    })
    const tally = createTally('faults', 'answered200', 'answered503', 'answeredElse', 'lostFamilies')
    try {
      for (const fault of failpointsOf(client, isQuick ? ['alwaysOn'] : ALL_MODES))
        await refreshUnder(service, fault, tally)
      for (const name of NETWORK) await refreshUnder(service, networkFault(proxy, name), tally)
      const revoked = await client
        .db('faults')
        .collection('custom_user_data_sessions')
        .countDocuments({ revokedAt: { $ne: null } })
      const expected = { answeredElse: 0, lostFamilies: 0, falselyRevoked: 0 }
      return { figures: { ...tally, falselyRevoked: revoked }, expected }
    } finally {
      await service.kill()
      await proxy.close()
      await client.close()
      await mongod.stop()
    }
  },
}

interface Fault {
  readonly begin: () => unknown
  readonly end: () => unknown
}

type Tally = Record<'faults' | 'answered200' | 'answered503' | 'answeredElse' | 'lostFamilies', number>

/** Combines each fault with each command and each duration. */
function failpointsOf(client: MongoClient, modes: readonly Mode[]): Fault[] {
  const admin = client.db('admin')
  const set = (mode: Mode | 'off', data?: Document) =>
    admin.command({ configureFailPoint: 'failCommand', mode, ...(data && { data }) })
  return COMMANDS.flatMap(command =>
    Object.values(FAULTS).flatMap(fault =>
      modes.map(mode => ({
        begin: () => set(mode, { failCommands: [command], appName: APP_NAME, ...fault }),
        end: () => set('off'),
      })),
    ),
  )
}

function networkFault(proxy: TcpProxy, name: (typeof NETWORK)[number]): Fault {
  return { begin: proxy[name], end: proxy.restore }
}

async function refreshUnder(service: Service, { begin, end }: Fault, tally: Tally): Promise<void> {
  tally.faults++
  const tokens = await Promise.all(Array.from({ length: CLIENTS }, () => service.logIn('alice')))
  // Use an exchanged token too, because its next refresh is a replay.
  const replayed = tokens[0] ?? ''
  await service.refresh(replayed)
  await begin()
  await forEachOf(CLIENTS, CLIENTS, async n => {
    const { status } = await service.refresh(tokens[n] ?? '')
    tally[status === 200 ? 'answered200' : status === 503 ? 'answered503' : 'answeredElse']++
  })
  await end()
  await untilItServes(service)
  for (const token of tokens) if (!(await goesOn(service, token))) tally.lostFamilies++
}

async function goesOn(service: Service, token: string): Promise<boolean> {
  const refresh = (good: string) => patiently(() => service.refresh(good))
  const answer = await refresh(token)
  return answer.status === 200 && (await refresh(tokenOf(answer))).status === 200
}

async function untilItServes(service: Service): Promise<void> {
  for (let n = 0; n < 100; n++) {
    if ((await service.post('/login', { user: 'probe' })).status === 200) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error('The service does not serve again, ten seconds after the fault has ended.')
}
