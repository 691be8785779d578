/** Names of the tests of an app. */
import type { Express, Router } from 'express'
import type { CustomUserData } from 'express-custom-user-data'

export { asUser, createTestClock, createTestUserData, tokenFor } from 'express-custom-user-data/testing'
export { default as request } from 'supertest'
export declare const createApp: (userData: CustomUserData<object>) => Express
export declare const createOrdersRouter: (userData: CustomUserData<object>) => Router
