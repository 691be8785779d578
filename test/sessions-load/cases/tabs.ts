import { setTimeout as wait } from 'node:timers/promises'
import { at, createTally, forEachOf, sumOf } from '../case.js'
import type { Case } from '../case.js'
import { patiently, tokenOf } from '../service.js'
import type { Answer, Service } from '../service.js'

/** Browsers at a time. */
const WIDTH = 8
/** The longest time of a request or an answer on its way, and the longest time until a tab sends its request. */
const LONGEST_WAY_MS = 10
const LONGEST_START_MS = 100
const NUMBERS_OF_TABS = [3, 6, 8, 12]
const NUMBERS_OF_CALLS = [3, 6, 8, 10, 15]
/** How often the tabs of one browser are reloaded, or its page sends its calls. */
const ROUNDS = 3

/**
 * An honest browser is not taken for a thief: its tabs refresh at the same moment when they are reloaded, and a page sends
 * many requests that each refresh and try again. A request may be on its way while others exchange the token several times.
 */
export const tabs: Case = {
  name: 'tabs',
  rule: 'several tabs, parallel retries of one page and delayed requests at two processes lose no session',
  async run(world, isQuick) {
    const refreshes = isQuick ? 400 : 50_000
    // The longest tolerance, because a refresh may take half a minute on a busy machine.
    const services = await world.start(2, { reuseToleranceSeconds: 120 })
    const tally = createTally('refreshes', 'answeredElse', 'accessTokensRefused', 'lostSessions')
    let browsers = 0
    async function useBrowsers(): Promise<void> {
      while (tally.refreshes < refreshes) {
        const n = browsers++
        const browser = new Browser(services, tally, await at(services, n).logIn(`user${n}`))
        await BEHAVIOURS[n % BEHAVIOURS.length]?.(browser)
        await browser.leave()
      }
    }
    await forEachOf(WIDTH, WIDTH, useBrowsers)
    const figures = {
      browsers,
      ...tally,
      // How often a token was answered although its successor was used.
      toleratedReuse: await sumOf(services, 'tolerated'),
      falselyDetected: await sumOf(services, 'reuse_detected'),
      falselyRevoked: await world.sessions.countDocuments({ revokedAt: { $ne: null } }),
    }
    const expected = {
      answeredElse: 0,
      accessTokensRefused: 0,
      lostSessions: 0,
      falselyDetected: 0,
      falselyRevoked: 0,
    }
    return { figures, expected }
  },
}

type Tally = Record<'refreshes' | 'answeredElse' | 'accessTokensRefused' | 'lostSessions', number>

/** What all tabs of a browser share: the place of the refresh token, in which the last answer wins. */
class Browser {
  readonly #services: readonly Service[]
  readonly #tally: Tally
  #stored: string

  constructor(services: readonly Service[], tally: Tally, token: string) {
    this.#services = services
    this.#tally = tally
    this.#stored = token
  }

  /** Refreshes with the token that is stored now, and uses the new access token. The request arrives after `onItsWay`. */
  async refresh(onItsWay: Promise<unknown> = shortTime()): Promise<void> {
    const token = this.#stored
    const service = at(this.#services, Math.floor(Math.random() * 2))
    await onItsWay
    const answer = await this.#ask(() => service.refresh(token))
    await shortTime()
    if (answer.status !== 200) return
    this.#stored = tokenOf(answer)
    const { status } = await service.get('/me', String(answer.body['access_token']))
    if (status !== 200) this.#tally.accessTokensRefused++
  }

  /** Refreshes a last time, which shows whether the session is alive. */
  async leave(): Promise<void> {
    const { status } = await this.#ask(() => at(this.#services, 0).refresh(this.#stored))
    if (status !== 200) this.#tally.lostSessions++
  }

  async #ask(ask: () => Promise<Answer>): Promise<Answer> {
    const answer = await patiently(ask)
    this.#tally.refreshes++
    if (answer.status !== 200) this.#tally.answeredElse++
    return answer
  }
}

const upTo = (longestMs: number) => wait(Math.random() * longestMs)
const shortTime = () => upTo(LONGEST_WAY_MS)

const BEHAVIOURS: readonly ((browser: Browser) => Promise<unknown>)[] = [
  // Tabs load their page at different speeds. The calls of one page find their access token expired at different times.
  ...[...NUMBERS_OF_TABS, ...NUMBERS_OF_CALLS].map(count => async (browser: Browser) => {
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(
        Array.from({ length: count }, async () => {
          await upTo(LONGEST_START_MS)
          await browser.refresh()
        }),
      )
    }
  }),
  // A request is delayed while another tab refreshes twice.
  async browser => {
    for (let round = 0; round < ROUNDS; round++) {
      const others = Promise.resolve().then(async () => {
        await browser.refresh()
        await browser.refresh()
      })
      await Promise.all([browser.refresh(others), others])
    }
  },
]
