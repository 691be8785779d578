import express from 'express'
import type { Express } from 'express'
import type { CustomUserDataOptions, WarningEvent } from 'express-custom-user-data'
import type { TestDatabase } from './database.js'
import { createTestUserData } from './user-data.js'

/** The instance of an app whose set-up is checked. */
export type CheckedUserData = ReturnType<typeof createTestUserData>

/** Creates an app that ends with `errorHandler()`, and lists the warnings of its instance. */
export function startCheckedApp(
  database: Pick<TestDatabase, 'db'>,
  build: (app: Express, userData: CheckedUserData) => unknown,
  options: Partial<CustomUserDataOptions<Record<string, unknown>>> = {},
) {
  const userData = createTestUserData(database, options)
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  const app = express()
  build(app, userData)
  app.use(userData.errorHandler())
  return { app, warnings, userData }
}
