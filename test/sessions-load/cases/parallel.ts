import { at, createTally, forEachOf, sumOf } from '../case.js'
import type { Case, Figures, Outcome, World } from '../case.js'
import type { Answer, Service } from '../service.js'

/** Sessions at a time, each with all its requests at once. */
const WIDTH = 4
const PARALLEL = 50

/** All parallel refreshes of one token succeed, with any tolerance: nobody has used its successor yet. */
export const parallelRefreshes = createCase('parallel-refreshes', '', {})
export const parallelRefreshesWithoutTolerance = createCase(
  'parallel-refreshes-without-tolerance',
  ', with a tolerance of 0 too',
  { reuseToleranceSeconds: 0 },
)

function createCase(name: string, condition: string, options: Readonly<Record<string, unknown>>): Case {
  return {
    name,
    rule: `parallel refreshes of one token at two processes all get the same successor${condition}`,
    run: (world, isQuick) => run(world, isQuick ? 10 : 1_000, options),
  }
}

async function run(
  world: World,
  families: number,
  options: Readonly<Record<string, unknown>>,
): Promise<Outcome> {
  const services = await world.start(2, options)
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
