import { createCustomUserData } from 'express-custom-user-data'
import type { CustomDataOf, CustomUserData } from 'express-custom-user-data'
import type { Db } from 'mongodb'
import type { Config } from './config.js'
import type { Profile } from './profile.js'

/** The one instance of the example. Documents are in `custom_user_data`, sessions in `custom_user_data_sessions`. */
export function createUserData(db: Db, config: Config): UserData {
  const userData: UserData = createCustomUserData<Profile>({
    collection: db.collection('custom_user_data'),
    ...config.signing,
    issuer: 'https://auth.example.com',
    audience: 'https://api.example.com',
    accessTokenTtlSeconds: config.accessTokenTtlSeconds,
    snapshotTtlMs: config.snapshotTtlMs,
    changeStreams: config.changeStreams,
    reuseToleranceSeconds: config.reuseToleranceSeconds,
    refreshTokenTransport: config.refreshTokenTransport,
    userDataInToken: config.userDataInToken,
    trustedIssuers: config.trustedIssuers,
    hooks: {
      // No handler needs this field fresh. This creates no document for a user without one, such as Carol.
      afterLogin: ({ id }) => userData.forUser(id).update({ lastLogin: new Date() }, { invalidate: false }),
    },
  })
  userData.events.on('load_failed', ({ userId, code }) => {
    console.error(`The custom data of user ${userId} could not be loaded: ${code}`)
  })
  userData.events.on('reuse_detected', ({ userId, sid }) => {
    console.error(`A refresh token of user ${userId} came again too late: session ${sid} has ended`)
  })
  userData.events.on('key_set_failed', ({ issuer, error }) => {
    console.error(`The keys of ${issuer} could not be read: ${error.message}`)
  })
  userData.events.on('hook_failed', ({ hook, error }) => {
    console.error(`The hook ${hook} failed: ${error.message}`)
  })
  userData.events.on('snapshot_left_out', ({ userId, reason }) => {
    console.error(`The custom data of user ${userId} does not go into the access token: ${reason}`)
  })
  return userData
}

/** The instance, as routes use it. */
export type UserData = CustomUserData<CustomDataOf<Profile>>
