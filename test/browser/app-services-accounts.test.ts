import jwt from 'jsonwebtoken'
import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { APP_ID } from '../app-services/support/realm-service.js'
import { describeInChromium } from '../support/browser.js'
import { useDatabase } from '../support/database.js'
import { logInAnonymously, startRealmPages } from './realm-page.js'

const PASSWORD = 'correct horse battery staple'
const PARTNER_KEY = 'a secret of a partner, which has 32 bytes or more'

describeInChromium('realm-web on a page of another origin', newProfile => {
  const database = useDatabase()

  it('registers a user, links the account to the anonymous user, and logs in by email and by an API key', async () => {
    const providers = { anonymous: true, emailPassword: { autoConfirm: true }, apiKey: true }
    const { open } = await startRealmPages(newProfile, database, { service: { providers } })
    const page = await open()
    const id = await logInAnonymously(page)
    const account = { email: 'alice@example.com', password: PASSWORD }
    const key = await page.evaluate(async ({ email, password }) => {
      await app.emailPasswordAuth.registerUser({ email, password })
      await app.currentUser!.linkCredentials(realmWeb.Credentials.emailPassword(email, password))
      const { key } = await app.currentUser!.apiKeys.create('laptop')
      return key
    }, account)
    const elsewhere = await open()
    const ids = await elsewhere.evaluate(
      async ([{ email, password }, apiKey]) => {
        const byEmail = await app.logIn(realmWeb.Credentials.emailPassword(email, password))
        await app.removeUser(byEmail)
        const byKey = await app.logIn(realmWeb.Credentials.apiKey(apiKey))
        return [byEmail.id, byKey.id]
      },
      [account, key] as const,
    )
    expect(ids).toEqual([id, id])
  })

  it('can read why a login and a link are refused, and sends one request for each', async () => {
    const providers = { anonymous: true, emailPassword: { autoConfirm: true } }
    const { open, takeRequests } = await startRealmPages(newProfile, database, { service: { providers } })
    const page = await open()
    await logInAnonymously(page)
    takeRequests()
    const refused = await page.evaluate(async () => {
      const credentials = realmWeb.Credentials.emailPassword('nobody@example.com', 'a wrong password')
      return [
        await refusalOf(() => app.logIn(credentials)),
        await refusalOf(() => app.currentUser!.linkCredentials(credentials)),
      ]
    })
    expect(refused[0]).toMatchObject({ statusCode: 401, message: expect.stringContaining('unauthorized') })
    expect(refused[1]).toMatchObject({ statusCode: 401, errorCode: 'InvalidPassword' })
    expect(refused[1]!.message).toContain('invalid username/password')
    expect(takeRequests()).toEqual([
      'POST /auth/providers/local-userpass/login',
      'POST /auth/providers/local-userpass/login',
    ])
  })

  it('logs in by a JWT of another service', async () => {
    const providers = { customToken: { keys: [{ alg: 'HS256' as const, key: PARTNER_KEY }] } }
    const { open } = await startRealmPages(newProfile, database, { service: { providers } })
    const token = jwt.sign({ sub: 'partner-7', aud: APP_ID }, PARTNER_KEY, { expiresIn: '5m' })
    const page = await open()
    const identities = await page.evaluate(async text => {
      return (await app.logIn(realmWeb.Credentials.jwt(text))).identities
    }, token)
    expect(identities).toEqual([{ id: 'partner-7', providerType: 'custom-token' }])
  })

  it('deletes the user, whose session ends in other browsers too', async () => {
    const providers = { anonymous: true, emailPassword: { autoConfirm: true } }
    const { open, takeRequests, service } = await startRealmPages(newProfile, database, {
      service: { providers },
    })
    const page = await open()
    const elsewhere = await open()
    const id = await register(page, 'bob@example.com')
    await logInByEmail(elsewhere, 'bob@example.com')
    await page.evaluate(() => app.deleteUser(app.currentUser!))
    expect(await page.evaluate(() => app.currentUser)).toBeNull()
    expect(await service.appServices.findUser(id)).toBeUndefined()
    takeRequests()
    const refusal = await elsewhere.evaluate(() => refusalOf(() => app.currentUser!.refreshProfile()))
    expect(refusal.errorCode).toBe('InvalidSession')
    expect(takeRequests()).toEqual(['GET /auth/profile', 'POST /auth/session'])
    expect(await elsewhere.evaluate(() => app.currentUser)).toBeNull()
  })
})

async function register(page: Page, email: string): Promise<string> {
  await page.evaluate(
    ([address, password]) => app.emailPasswordAuth.registerUser({ email: address, password }),
    [email, PASSWORD] as const,
  )
  return logInByEmail(page, email)
}

function logInByEmail(page: Page, email: string): Promise<string> {
  return page.evaluate(
    async ([address, password]) =>
      (await app.logIn(realmWeb.Credentials.emailPassword(address, password))).id,
    [email, PASSWORD] as const,
  )
}
