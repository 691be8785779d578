import { at, createTally, forEachOf } from '../case.js'
import type { Case } from '../case.js'
import { tokenOf } from '../service.js'
import type { Service } from '../service.js'

/** Clients of one session that refresh without a pause. */
const TABS = 4
/** How often each of them goes on asking after it was refused. */
const TRIES_AFTER = 3

/** A session that ended stays ended, even with refreshes under way. */
export const ends: Case = {
  name: 'ends',
  rule: 'after the answer to a logout or a revocation no refresh succeeds in any process, even if it had already begun',
  async run(world, isQuick) {
    const sessions = isQuick ? 30 : 1_000
    const services = await world.start(2)
    const tally = createTally('refreshes', 'succeededLater', 'deadTokensAlive', 'accessTokensServed')
    await forEachOf(sessions, 4, async n => endDuringRefreshes(services, n, tally))
    const expected = { succeededLater: 0, deadTokensAlive: 0, accessTokensServed: 0 }
    return { figures: { sessions, ...tally }, expected }
  },
}

type Tally = Record<'refreshes' | 'succeededLater' | 'deadTokensAlive' | 'accessTokensServed', number>

async function endDuringRefreshes(services: readonly Service[], n: number, tally: Tally): Promise<void> {
  const user = `user${n}`
  const first = await at(services, 0).logIn(user)
  const state = { answered: false, refreshTokens: new Set([first]), accessTokens: new Set<string>() }

  async function keepRefreshing(tab: number): Promise<void> {
    let token = first
    let triesLeft = TRIES_AFTER
    while (triesLeft > 0) {
      const wasAnswered = state.answered
      const answer = await at(services, tab).refresh(token)
      tally.refreshes++
      if (wasAnswered) triesLeft--
      if (answer.status !== 200) continue
      if (wasAnswered) tally.succeededLater++
      token = tokenOf(answer)
      state.refreshTokens.add(token)
      state.accessTokens.add(String(answer.body['access_token']))
    }
  }

  const tabs = Array.from({ length: TABS }, (_, tab) => keepRefreshing(tab))
  await new Promise(resolve => setTimeout(resolve, n % 20))
  const ender = at(services, n)
  if (n % 3 === 0) await ender.post('/revoke', { user })
  else
    await ender.post('/logout', {
      refresh_token: [...state.refreshTokens].at(-1 - (n % 3 === 1 ? 0 : 1)) ?? first,
    })
  state.answered = true
  await Promise.all(tabs)
  for (const token of state.refreshTokens) {
    if ((await at(services, n + 1).refresh(token)).status === 200) tally.deadTokensAlive++
  }
  // Ask only the process that ended the session. Others may take up to their check interval.
  for (const token of state.accessTokens) {
    if ((await ender.get('/me', token)).status === 200) tally.accessTokensServed++
  }
}
