// As in `lib/index.mts`: `import` and `require` share one copy of everything.
export { asUser, createTestClock, createTestUserData, tokenFor } from './index.js'
export type * from './index.js'
