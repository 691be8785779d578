import { refuseProduction } from './refuse-production.js'

refuseProduction()

export { createTestClock } from './test-clock.js'
export type { TestClock } from './test-clock.js'
export { createTestUserData } from './test-user-data.js'
export type { TestUserDataOptions } from './test-user-data.js'
export { asUser, tokenFor } from './test-users.js'
