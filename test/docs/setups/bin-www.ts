/** The names of `bin/www` in an app of express-generator. */
import type { Server } from 'node:http'

export declare const server: Server
export declare const port: number
