import { randomBytes } from 'node:crypto'
import cors from 'cors'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import { createAppServices } from 'express-custom-user-data/app-services'
import type { TriggerEvent } from 'express-custom-user-data/app-services'
import type { Db } from 'mongodb'
import { rules } from './rules.js'

/** The id that the clients have. */
export const APP_ID = 'application-0-abcde'

/** A user's document. */
interface Profile {
  owner_id: string
  theme: 'system' | 'light' | 'dark'
  points: number
}

interface Addresses {
  /** The address at which clients reach this app. */
  readonly apiOrigin: string
  /** The origin of the page that runs the client. */
  readonly pageOrigin: string
}

interface RunningApp {
  readonly app: express.Express
  /** Ends the streams of clients, which would keep the server from closing. */
  readonly close: () => Promise<void>
}

/** Creates an app that answers clients of App Services, and has a route of its own. */
export async function createApp(db: Db, { apiOrigin, pageOrigin }: Addresses): Promise<RunningApp> {
  const userData = createCustomUserData<Profile>({
    collection: db.collection<Profile>('custom_user_data'),
    userIdField: 'owner_id', // the field that "custom user data" of the app in App Services named
    secret: randomBytes(32),
    issuer: 'https://auth.example.com',
    audience: 'https://api.example.com',
    userDataInToken: 'canonical', // clients read user.customData from the access token
    changeStreams: 'auto', // the app's own routes see a change at once
  })

  const appServices = createAppServices({
    userData,
    database: db,
    appId: APP_ID,
    hostname: `${apiOrigin}/realm`,
    allowedOrigins: [pageOrigin],
    providers: {
      anonymous: true,
      emailPassword: { autoConfirm: true }, // in production: sendConfirmation and sendPasswordReset
      apiKey: true,
    },
    // It runs before the first access token is issued, so user.customData has the document from the beginning.
    onUserCreation: ({ id }) =>
      userData.forUser(id).update({ $set: { theme: 'system', points: 0 } }, { upsert: true }),
    triggers: [
      { operationType: 'CREATE', handler: print },
      { operationType: 'LOGIN', handler: print },
      { operationType: 'DELETE', handler: print },
    ],
    // Clients may read their document and change the theme. Only this function changes the points.
    customData: { database: 'app', collection: 'custom_user_data', rules },
    functions: {
      async collectPoint({ user }) {
        const document = await userData.forUser(user.id).update({ $inc: { points: 1 } })
        return document?.points
      },
    },
  })
  await appServices.ready()

  const app = express()
  // It comes first: it has its own body parser, its own CORS and its own errors.
  app.use('/realm', appServices.router())
  // The rest is an app as you have it. Its guard accepts the access tokens of the clients.
  app.use(cors({ origin: pageOrigin }))
  app.get('/me', userData.authenticate(), (req, res) => {
    const { id, customData } = userData.user(req)
    res.json({ id, theme: customData.theme, points: customData.points })
  })
  app.use(userData.errorHandler())
  return {
    app,
    async close() {
      await appServices.close()
      await userData.close()
    },
  }
}

/** Prints what a trigger of App Services got. */
function print({ operationType, providers, user }: TriggerEvent): void {
  console.log(`${operationType} ${providers.join(', ')} ${user.id}`)
}
