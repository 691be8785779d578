import { createCustomUserData, OptionError } from 'express-custom-user-data'
import { expect, test } from 'vitest'
import { loginAndReadMe } from './app.js'
import { readReports, REPORTS } from './reports.js'

test('an app logs in and reads its user', { timeout: 60_000 }, async () => {
  expect(await loginAndReadMe()).toEqual({ language: 'de' })
})

test('errors are instances of the classes that the package exports', () => {
  expect(() => createCustomUserData({})).toThrow(OptionError)
})

test('an app is tested without MongoDB', { timeout: 60_000 }, async () => {
  expect(await readReports()).toEqual(REPORTS)
})
