import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { newEmail, startEmailService } from '../support/email-service.js'

const database = useDatabase()
const PASSWORD = 'a long password'
const ROUNDS = 15

type Service = Awaited<ReturnType<typeof startEmailService>>

/** Bodies for an address, by route. */
const ROUTES: Readonly<Record<string, (email: string) => object>> = {
  login: username => ({ username, password: 'a wrong password' }),
  'reset/call': email => ({ email, password: 'a new password', arguments: [] }),
  'reset/send': email => ({ email }),
  'confirm/send': email => ({ email }),
}

/** The throttle is on, because it must treat both kinds of addresses in the same way. */
const THROTTLE = { loginThrottle: { addressFailures: 100_000, accountAndAddressFailures: 100 } }

async function startFor(route: string): Promise<Service> {
  const reset =
    route === 'reset/call'
      ? { resetFunction: () => ({ status: 'pending' }) as const }
      : { sendPasswordReset: () => undefined }
  return startEmailService(database, { sendConfirmation: () => undefined, ...reset }, { instance: THROTTLE })
}

test.each(Object.keys(ROUTES))(
  'the answer of %s tells not whether an address has an account',
  async route => {
    const { post } = await startFor(route)
    const known = newEmail()
    await post('register', { email: known, password: PASSWORD })
    const bodyOf = ROUTES[route] ?? (() => ({}))
    const [ofKnown, ofUnknown] = [await post(route, bodyOf(known)), await post(route, bodyOf(newEmail()))]
    expect(ofKnown).toEqual(ofUnknown)
    await expect.poll(async () => (await post(route, bodyOf(known))).status).toBe(ofKnown.status)

    const commandsOf = async (email: string) => {
      database.commands.clear()
      await post(route, bodyOf(email))
      return [...database.commands].map(({ name }) => name)
    }
    // The work after an answer of `…/send` is not seen by its client.
    if (!route.endsWith('send')) expect(await commandsOf(known)).toEqual(await commandsOf(newEmail()))
  },
)

test.each(Object.keys(ROUTES))('the time of %s tells not whether an address has an account', async route => {
  const { post } = await startFor(route)
  const known = newEmail()
  await post('register', { email: known, password: PASSWORD })
  const bodyOf = ROUTES[route] ?? (() => ({}))
  const timeOf = async (email: string) => {
    const begin = performance.now()
    await post(route, bodyOf(email))
    return performance.now() - begin
  }
  const [ofKnown, ofUnknown]: [number[], number[]] = [[], []]
  // Both in turns, so that a busy moment of the machine meets both.
  for (let round = 0; round < ROUNDS; round++) {
    ofKnown.push(await timeOf(known))
    ofUnknown.push(await timeOf(newEmail()))
  }
  const ratio = median(ofKnown) / median(ofUnknown)
  expect(ratio).toBeGreaterThan(0.5)
  expect(ratio).toBeLessThan(2)
})

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? NaN
}
