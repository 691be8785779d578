import { createCustomUserData, CustomUserDataError, OptionError } from 'express-custom-user-data'
import { loginAndReadMe } from './app'

test('an app logs in and reads its user', async () => {
  expect(await loginAndReadMe()).toEqual({ language: 'de' })
}, 60_000)

test('errors are instances of the classes that the package exports', () => {
  expect(() => createCustomUserData({} as never)).toThrow(OptionError)
  expect(new CustomUserDataError('invalid_token')).toBeInstanceOf(Error)
})
