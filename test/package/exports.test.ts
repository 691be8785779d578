import * as everything from 'express-custom-user-data'
import { expect, it } from 'vitest'

it('the package exports exactly these names', () => {
  expect(Object.keys(everything).sort()).toMatchInlineSnapshot(`
    [
      "CustomUserDataError",
      "OptionError",
      "createCustomUserData",
      "errorResponse",
      "hashPassword",
    ]
  `)
})
