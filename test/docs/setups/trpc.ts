import type { AnyTRPCRouter } from '@trpc/server'

export { initTRPC } from '@trpc/server'
export { createExpressMiddleware } from '@trpc/server/adapters/express'
export type { CreateExpressContextOptions } from '@trpc/server/adapters/express'
export declare const router: AnyTRPCRouter
