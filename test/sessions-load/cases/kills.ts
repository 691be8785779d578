import { at, createTally, forEachOf } from '../case.js'
import type { Case } from '../case.js'
import { tokenOf } from '../service.js'
import type { Answer, Service } from '../service.js'

/** The number of moments at which the process is killed, spread over the duration of a refresh. */
const POINTS = 20
/** The last moment, in durations of a refresh. It is more than 1, so that some answers come before it. */
const SPREAD = 3
/** Refreshes under way at that moment, each of another session. */
const CLIENTS = 8

/** A crash logs no user out. */
export const kills: Case = {
  name: 'kills',
  rule: 'a process that is killed during refreshes logs no user out and creates no second successor',
  async run(world, isQuick) {
    const rounds = isQuick ? 4 : 1_000
    const [survivor] = (await world.start(1)) as [Service]
    const refreshMs = await timeOfRefreshes(survivor)
    const tally = createTally('kills', 'answered', 'cutOff', 'stranded', 'doubleSuccessors')
    let spare = world.start(1)
    for (let round = 0; round < rounds; round++) {
      const [victim] = (await spare) as [Service]
      spare = world.start(1)
      spare.catch(() => undefined)
      const point = isQuick ? round * (POINTS / rounds) : round % POINTS
      await killDuring({ victim, survivor, round, afterMs: (SPREAD * refreshMs * point) / POINTS }, tally)
    }
    await Promise.all((await spare).map(service => service.kill()))
    const revoked = await world.sessions.countDocuments({ revokedAt: { $ne: null } })
    const expected = { kills: rounds, stranded: 0, doubleSuccessors: 0, falselyRevoked: 0 }
    return { figures: { ...tally, falselyRevoked: revoked }, expected }
  },
}

interface Round {
  readonly victim: Service
  readonly survivor: Service
  readonly round: number
  readonly afterMs: number
}

type Tally = Record<'kills' | 'answered' | 'cutOff' | 'stranded' | 'doubleSuccessors', number>

async function killDuring({ victim, survivor, round, afterMs }: Round, tally: Tally): Promise<void> {
  const tokens = await Promise.all(
    Array.from({ length: CLIENTS }, (_, n) => survivor.logIn(`user${round}-${n}`)),
  )
  // The first refresh of a process also opens its connections.
  await victim.refresh(await survivor.logIn('warm'))
  const refreshes = tokens.map(token => victim.refresh(token))
  await new Promise(resolve => setTimeout(resolve, afterMs))
  await victim.kill()
  tally.kills++
  const answers = await Promise.all(refreshes)
  await forEachOf(CLIENTS, CLIENTS, n => goOn(survivor, at(tokens, n), at(answers, n), tally))
}

/** Refreshes with the successor if there was an answer, or else with the client's last token, and then once more. */
async function goOn(survivor: Service, token: string, answer: Answer, tally: Tally): Promise<void> {
  const wasAnswered = answer.status === 200
  tally[wasAnswered ? 'answered' : 'cutOff']++
  const again = await survivor.refresh(token)
  const successor = again.status === 200 ? tokenOf(again) : ''
  if (wasAnswered && tokenOf(answer) !== successor) tally.doubleSuccessors++
  if ((await survivor.refresh(successor)).status !== 200) tally.stranded++
}

async function timeOfRefreshes(service: Service): Promise<number> {
  const took: number[] = []
  for (let n = 0; n < 20; n++) {
    const tokens = await Promise.all(Array.from({ length: CLIENTS }, () => service.logIn('timed')))
    const began = performance.now()
    await Promise.all(tokens.map(token => service.refresh(token)))
    took.push(performance.now() - began)
  }
  return took.sort((a, b) => a - b)[10] ?? 0
}
