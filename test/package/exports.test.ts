import * as everything from 'express-custom-user-data'
import { expect, it } from 'vitest'

it('exports these names and no others', () => {
  expect(Object.keys(everything).sort()).toMatchInlineSnapshot(`
    [
      "CustomUserDataError",
      "OptionError",
      "createCustomUserData",
      "hashPassword",
    ]
  `)
})
