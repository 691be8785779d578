import { Credentials } from 'realm-web'
import { expect } from 'vitest'
import { isNotImplementedByTheClient, logIn, logInMember, newEmail, PASSWORD } from './rows.js'
import type { Rows } from './rows.js'

export const userRows: Rows = {
  async accessToken(start) {
    const { user } = await logIn(start)
    const first = user.accessToken
    await user.refreshAccessToken()
    expect(user.accessToken).not.toBe(first)
  },
  async refreshToken(start) {
    const { service, user } = await logIn(start)
    expect(await service.userData.sessionOf(user.refreshToken!)).toMatchObject({ userId: user.id })
  },
  async state(start) {
    const { app, user } = await logIn(start)
    expect(user.state).toBe('active')
    await user.logOut()
    expect(user.state).toBe('logged-out')
    await app.removeUser(user)
    expect(user.state).toBe('removed')
  },
  async isLoggedIn(start) {
    const { user } = await logIn(start)
    await user.logOut()
    expect(user.isLoggedIn).toBe(false)
  },
  async customData(start) {
    const { service, user } = await logIn(start)
    expect(user.customData).toEqual({})
    await service.userData.forUser(user.id).update({ visits: 1 }, { upsert: true })
    await user.refreshAccessToken()
    expect(user.customData).toMatchObject({ visits: { $numberInt: '1' } })
  },
  async profile(start) {
    const { user, email } = await logInMember(start)
    expect(user.profile).toEqual({ email })
  },
  async identities(start) {
    const { user } = await logInMember(start)
    expect(user.identities).toEqual([{ id: expect.any(String), providerType: 'local-userpass' }])
  },
  async deviceId(start) {
    const { app, user } = await logIn(start)
    expect(user.deviceId).toMatch(/^[0-9a-f]{24}$/)
    expect(app.deviceInformation.deviceId).toBeDefined()
  },
  async refreshProfile(start) {
    const service = await start()
    const user = await service.newClient().logIn(Credentials.anonymous(), false)
    expect(() => user.identities).toThrow('A profile was never fetched')
    await user.refreshProfile()
    expect(user.identities).toHaveLength(1)
  },
  async logOut(start) {
    const { service, user } = await logIn(start)
    const refreshToken = user.refreshToken!
    await user.logOut()
    expect(await service.userData.sessionOf(refreshToken)).toBeUndefined()
  },
  async linkCredentials(start) {
    const providers = { anonymous: true, emailPassword: { autoConfirm: true } }
    const { service, app, user } = await logIn(start, { providers })
    const email = newEmail()
    await app.emailPasswordAuth.registerUser({ email, password: PASSWORD })
    await user.linkCredentials(Credentials.emailPassword(email, PASSWORD))
    expect(user.identities.map(({ providerType }) => providerType)).toEqual(['anon-user', 'local-userpass'])
    const again = await service.newClient().logIn(Credentials.emailPassword(email, PASSWORD))
    expect(again.id).toBe(user.id)
  },
  async refreshAccessToken(start) {
    const { user } = await logIn(start)
    const first = user.accessToken
    await user.refreshAccessToken()
    expect(user.accessToken).not.toBe(first)
    expect(user.isLoggedIn).toBe(true)
  },
  async refreshCustomData(start) {
    const { service, user } = await logIn(start)
    await service.userData.forUser(user.id).update({ theme: 'dark' }, { upsert: true })
    expect(await user.refreshCustomData()).toMatchObject({ theme: 'dark' })
  },
  async callFunction(start) {
    const functions = { add: (_context: unknown, a: unknown, b: unknown) => Number(a) + Number(b) }
    const { user } = await logIn(start, { functions })
    expect(await user.callFunction('add', 1, 2)).toBe(3)
    expect(await user.functions['add']!(3, 4)).toBe(7)
  },
  async toJSON(start) {
    const { user } = await logIn(start)
    expect(user.toJSON()).toMatchObject({ id: user.id, state: 'active', customData: {} })
  },
  async mongoClient(start) {
    const { user } = await logIn(start)
    const unknown = user.mongoClient('another-cluster').db('app').collection('custom_user_data')
    await expect(unknown.findOne()).rejects.toMatchObject({ statusCode: 404, errorCode: 'ServiceNotFound' })
  },
  push: isNotImplementedByTheClient(({ user }) => user.push()),
  addListener: isNotImplementedByTheClient(({ user }) => user.addListener()),
  removeListener: isNotImplementedByTheClient(({ user }) => user.removeListener()),
  removeAllListeners: isNotImplementedByTheClient(({ user }) => user.removeAllListeners()),
}
