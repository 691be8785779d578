/** What a team brings from its app in App Services. */
import type { Collection } from 'mongodb'

export declare const banUser: (userId: string) => Promise<void>
export declare const sendWelcome: (address: unknown) => Promise<void>
export declare const orders: Collection<{ owner: string }>
