import jwt from 'jsonwebtoken'
import { Credentials } from 'realm-web'
import { expect } from 'vitest'
import { APP_ID } from '../support/realm-service.js'
import { logInMember, PASSWORD } from './rows.js'
import type { Row, Rows } from './rows.js'

export const credentialRows: Rows = {
  async anonymous(start) {
    const service = await start({ providers: { anonymous: true } })
    const user = await service.newClient().logIn(Credentials.anonymous())
    expect(user.providerType).toBe('anon-user')
  },
  async emailPassword(start) {
    const { service, user, email } = await logInMember(start)
    const other = await service.newClient().logIn(Credentials.emailPassword(email, PASSWORD))
    expect(other.id).toBe(user.id)
  },
  async apiKey(start) {
    const { service, user } = await logInMember(start)
    const { key } = await user.apiKeys.create('laptop')
    expect((await service.newClient().logIn(Credentials.apiKey(key))).id).toBe(user.id)
  },
  async function(start) {
    const customFunction = ({ code }: Readonly<Record<string, unknown>>) =>
      code === 'open' ? 'guest-1' : null
    const service = await start({ providers: { customFunction } })
    const user = await service.newClient().logIn(Credentials.function({ code: 'open' }))
    expect(user.providerType).toBe('custom-function')
    const refused = service.newClient().logIn(Credentials.function({ code: 'closed' }))
    await expect(refused).rejects.toThrow('unauthorized')
  },
  async jwt(start) {
    const key = 'a secret of a partner, which has 32 bytes or more'
    const service = await start({ providers: { customToken: { keys: [{ alg: 'HS256', key }] } } })
    const token = jwt.sign({ sub: 'partner-7', aud: APP_ID }, key, { expiresIn: '5m' })
    const user = await service.newClient().logIn(Credentials.jwt(token))
    expect(user.identities).toEqual([{ id: 'partner-7', providerType: 'custom-token' }])
  },
  google: isNotServed(() => Credentials.google({ idToken: 'a-token' })),
  facebook: isNotServed(() => Credentials.facebook('a-token')),
  apple: isNotServed(() => Credentials.apple('a-token')),
}

/** These providers would need an account of the team at another company. */
function isNotServed(createCredentials: () => Credentials): Row {
  return async start => {
    const app = (await start()).newClient()
    await expect(app.logIn(createCredentials())).rejects.toMatchObject({
      statusCode: 404,
      errorCode: 'AuthProviderNotFound',
    })
  }
}
