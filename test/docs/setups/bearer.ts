/** The function that an earlier block of the page has declared. */
import type { IncomingMessage } from 'node:http'

export declare const bearer: (req: Pick<IncomingMessage, 'headers'>) => string | undefined
