// Node's import finds the names of a CommonJS module by reading its code. Named here, they are there for certain, and
// `import` and `require` share one copy of everything.
export {
  compileRule,
  createCustomUserData,
  CustomUserDataError,
  errorResponse,
  hashPassword,
  isPassingDatabaseError,
  OptionError,
  refusalReason,
} from './index.js'
export type * from './index.js'
