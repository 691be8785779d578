/** The module of an app that exports the app. Blocks require it as './app'. */
import type { Express } from 'express'

declare const app: Express
export = app
