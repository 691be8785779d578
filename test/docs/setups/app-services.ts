/** A service for clients of App Services, and values of the app that guides mention without their code. */
import { createAppServices } from 'express-custom-user-data/app-services'
import { createCustomUserData, db, options } from './common.js'

export { AppServicesError, createAppServices } from 'express-custom-user-data/app-services'
export const userData = createCustomUserData({
  ...options,
  userIdField: 'owner_id',
  userDataInToken: 'canonical',
})
/** The options that every service has. */
export const others = {
  userData,
  database: db,
  appId: 'application-0-abcde',
  hostname: 'https://api.example.com/realm',
  providers: {},
}
export const appServices = createAppServices(others)
