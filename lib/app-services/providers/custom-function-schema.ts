import * as v from 'valibot'
import { aFunction, membersOf } from '../check-options.js'
import type { CustomFunction, CustomFunctionOptions } from './custom-function-options.js'

const aHandler = aFunction<CustomFunction>()

/** The schema of the option `customFunction`. */
export const customFunctionOption = v.optional(
  v.lazy(given =>
    typeof given === 'object' && given !== null
      ? membersOf({
          handler: aHandler,
          account: v.optional(aFunction<NonNullable<CustomFunctionOptions['account']>>()),
        })
      : v.pipe(
          aHandler,
          v.transform((handler): CustomFunctionOptions => ({ handler })),
        ),
  ),
)
