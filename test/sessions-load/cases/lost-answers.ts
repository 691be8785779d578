import { at, createTally, forEachOf, sumOf } from '../case.js'
import type { Case } from '../case.js'
import { tokenOf } from '../service.js'

/**
 * A lost answer is the most common reason for an unwanted logout (FAPI 2.0 Security Profile 5.3.2.1, clause 10).
 */
export const lostAnswers: Case = {
  name: 'lost-answers',
  rule: 'a client that lost the answer of a refresh can ask any process again, and stays logged in',
  async run(world, isQuick) {
    const times = isQuick ? 30 : 1_000
    const services = await world.start(2)
    const tally = createTally('lost', 'answeredAgain', 'wentOn')
    await forEachOf(times, 8, async n => {
      const token = await at(services, n).logIn(`user${n}`)
      const lost = await at(services, n).post('/refresh', { refresh_token: token }, { 'x-lose-answer': '1' })
      if (lost.status === 0) tally.lost++
      const again = await at(services, n + 1).refresh(token)
      if (again.status !== 200) return
      tally.answeredAgain++
      if ((await at(services, n).refresh(tokenOf(again))).status === 200) tally.wentOn++
    })
    const figures = { times, ...tally, falselyDetected: await sumOf(services, 'reuse_detected') }
    const expected = { lost: times, answeredAgain: times, wentOn: times, falselyDetected: 0 }
    return { figures, expected }
  },
}
