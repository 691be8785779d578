import { at, createTally, forEachOf, sumOf } from '../case.js'
import type { Case, Figures, World } from '../case.js'
import type { Answer, Service } from '../service.js'

/** Sessions at a time, each with all its requests at once. */
const WIDTH = 4
const PARALLEL = 50

/** With the default tolerance all parallel refreshes succeed. */
export const parallelRefreshes: Case = {
  name: 'parallel-refreshes',
  rule: 'parallel refreshes of one token at two processes all get the same successor',
  async run(world, isQuick) {
    const families = isQuick ? 10 : 1_000
    const services = await world.start(2)
    const tally = createTally('answered200', 'answeredElse', 'oneSuccessor', 'doubleSuccessors', 'stranded')
    await forEachOf(families, WIDTH, async n => {
      const answers = await refreshAtOnce(services, `user${n}`)
      count(tally, answers)
      await goOn(tally, at(services, n), successorsOf(answers))
    })
    const figures = {
      families,
      refreshes: families * PARALLEL,
      ...tally,
      ...(await countFalse(world, services)),
    }
    const expected = {
      answered200: families * PARALLEL,
      answeredElse: 0,
      oneSuccessor: families,
      doubleSuccessors: 0,
      stranded: 0,
      // One exchange for the parallel requests, and one for the next refresh.
      generationsWrong: 0,
      falselyRevoked: 0,
      falselyDetected: 0,
    }
    return { figures, expected }
  },
}

/** With a tolerance of 0 one parallel refresh succeeds. The others count as theft and end the session. */
export const parallelRefreshesWithoutWindow: Case = {
  name: 'parallel-refreshes-without-window',
  rule: 'with a window of 0 one of the parallel refreshes succeeds, and there are never two successors',
  async run(world, isQuick) {
    const families = isQuick ? 10 : 1_000
    const services = await world.start(2, { reuseWindowSeconds: 0 })
    const tally = createTally(
      'answered200',
      'answered400',
      'answeredElse',
      'oneSuccessor',
      'doubleSuccessors',
    )
    await forEachOf(families, WIDTH, async n => {
      const answers = await refreshAtOnce(services, `user${n}`)
      count(tally, answers)
      tally.answered400 += answers.filter(({ status }) => status === 400).length
    })
    tally.answeredElse -= tally.answered400
    const revoked = await world.sessions.countDocuments({ revokedAt: { $ne: null } })
    const expected = {
      answered200: families,
      answered400: families * (PARALLEL - 1),
      answeredElse: 0,
      oneSuccessor: families,
      doubleSuccessors: 0,
      revoked: families,
    }
    return { figures: { families, refreshes: families * PARALLEL, ...tally, revoked }, expected }
  },
}

async function refreshAtOnce(services: readonly Service[], user: string): Promise<Answer[]> {
  const token = await at(services, 0).logIn(user)
  return Promise.all(Array.from({ length: PARALLEL }, (_, n) => at(services, n).refresh(token)))
}

function successorsOf(answers: readonly Answer[]): string[] {
  const tokens = answers
    .filter(({ status }) => status === 200)
    .map(({ body }) => String(body['refresh_token']))
  return [...new Set(tokens)]
}

function count(
  tally: Figures & Record<'answered200' | 'answeredElse', number>,
  answers: readonly Answer[],
): void {
  const successful = answers.filter(({ status }) => status === 200).length
  tally.answered200 += successful
  tally.answeredElse += answers.length - successful
  const successors = successorsOf(answers).length
  if (successors === 1) tally['oneSuccessor'] = (tally['oneSuccessor'] ?? 0) + 1
  if (successors > 1) tally['doubleSuccessors'] = (tally['doubleSuccessors'] ?? 0) + 1
}

async function goOn(
  tally: Record<'stranded', number>,
  service: Service,
  successors: readonly string[],
): Promise<void> {
  const [successor = ''] = successors
  const { status } = await service.refresh(successor)
  if (status !== 200) tally.stranded++
}

async function countFalse(world: World, services: readonly Service[]): Promise<Figures> {
  return {
    generationsWrong: await world.sessions.countDocuments({ generation: { $ne: 2 } }),
    falselyRevoked: await world.sessions.countDocuments({ revokedAt: { $ne: null } }),
    falselyDetected: await sumOf(services, 'reuse_detected'),
  }
}
