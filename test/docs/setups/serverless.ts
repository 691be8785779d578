import type { Express } from 'express'
import serverless from 'serverless-http'

export { serverless }
export { options as others } from './common.js'
export declare const createApp: (userData: unknown) => Express
