// As in `lib/index.mts`: `import` and `require` share one copy of everything.
export { AppServicesError, createAppServices } from './index.js'
export type * from './index.js'
