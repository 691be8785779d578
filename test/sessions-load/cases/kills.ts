import { at, createTally, forEachOf } from '../case.js'
import type { Case } from '../case.js'
import { tokenOf } from '../service.js'
import type { Answer, Service } from '../service.js'

/** The points of the refresh path at which the process dies: so many, spread over the time that a refresh takes. */
const POINTS = 20
/** In times that a refresh takes: so that the last points come after the first answers. */
const SPREAD = 3
/** Refreshes under way when it dies, each of a session of its own. */
const CLIENTS = 8

/** R5: a crash leaves nobody behind. */
export const kills: Case = {
  id: 'R5',
  rule: 'a process that is killed in the middle of refreshes strands nobody and makes no second successor',
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
  // The first refresh of a process pays for its connections.
  await victim.refresh(await survivor.logIn('warm'))
  const refreshes = tokens.map(token => victim.refresh(token))
  await new Promise(resolve => setTimeout(resolve, afterMs))
  await victim.kill()
  tally.kills++
  const answers = await Promise.all(refreshes)
  await forEachOf(CLIENTS, CLIENTS, n => goOn(survivor, at(tokens, n), at(answers, n), tally))
}

/** With the successor where there was an answer, or else with what the client has; then once more. */
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
