import { App, Credentials } from 'realm-web'
import { expect } from 'vitest'
import { isNotImplementedByTheClient, logIn } from './rows.js'
import type { Rows } from './rows.js'

export const appRows: Rows = {
  async logIn(start) {
    const { app, user } = await logIn(start)
    expect(app.currentUser).toBe(user)
    expect(user.isLoggedIn).toBe(true)
  },
  async switchUser(start) {
    const { app, user } = await logIn(start)
    const other = await app.logIn(Credentials.anonymous(false))
    expect(app.currentUser).toBe(other)
    app.switchUser(user)
    await user.refreshProfile()
    expect(app.currentUser).toBe(user)
  },
  async currentUser(start) {
    const { app, user } = await logIn(start)
    await user.logOut()
    expect(app.currentUser).toBeNull()
  },
  async allUsers(start) {
    const { app, user } = await logIn(start)
    const other = await app.logIn(Credentials.anonymous(false))
    expect(Object.keys(app.allUsers).sort()).toEqual([user.id, other.id].sort())
  },
  async removeUser(start) {
    const { service, app, user } = await logIn(start)
    const refreshToken = user.refreshToken ?? ''
    await app.removeUser(user)
    expect(app.allUsers).toEqual({})
    expect(await service.userData.sessionOf(refreshToken)).toBeUndefined()
  },
  async deleteUser(start) {
    const { service, app, user } = await logIn(start)
    await app.deleteUser(user)
    expect(user.state).toBe('removed')
    expect(await service.appServices.findUser(user.id)).toBeUndefined()
  },
  async locationUrl(start) {
    const service = await start()
    expect(await service.newClient().locationUrl).toBe(service.baseUrl)
  },
  async deviceInformation(start) {
    const { app } = await logIn(start)
    const { deviceId } = app.deviceInformation
    expect(deviceId?.toHexString()).toMatch(/^[0-9a-f]{24}$/)
    await app.logIn(Credentials.anonymous(false))
    expect(app.deviceInformation.deviceId).toEqual(deviceId)
  },
  addListener: isNotImplementedByTheClient(({ app }) => app.addListener()),
  removeListener: isNotImplementedByTheClient(({ app }) => app.removeListener()),
  removeAllListeners: isNotImplementedByTheClient(({ app }) => app.removeAllListeners()),
}

export const staticAppRows: Rows = {
  getApp() {
    // It needs no request. It uses the address of App Services, so a migrated client creates its App by `new App()`.
    expect(App.getApp('an-app')).toBe(App.getApp('an-app'))
  },
}
