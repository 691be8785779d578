import * as everything from 'express-custom-user-data'
import * as appServices from 'express-custom-user-data/app-services'
import * as testing from 'express-custom-user-data/testing'
import { expect, it } from 'vitest'

it('the package exports exactly these names', () => {
  expect(Object.keys(everything).sort()).toMatchInlineSnapshot(`
    [
      "CustomUserDataError",
      "OptionError",
      "compileRule",
      "createCustomUserData",
      "errorResponse",
      "hashPassword",
      "isPassingDatabaseError",
      "refusalReason",
    ]
  `)
})

it('the entry point for tests exports exactly these names', () => {
  expect(Object.keys(testing).sort()).toMatchInlineSnapshot(`
    [
      "asUser",
      "createTestClock",
      "createTestUserData",
      "tokenFor",
    ]
  `)
})

it('the entry point for clients of App Services exports exactly these names', () => {
  expect(Object.keys(appServices).sort()).toMatchInlineSnapshot(`
    [
      "AppServicesError",
      "createAppServices",
    ]
  `)
})
