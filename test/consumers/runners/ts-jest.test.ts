import { createCustomUserData, CustomUserDataError, OptionError } from 'express-custom-user-data'
import { createTestUserData, tokenFor } from 'express-custom-user-data/testing'
import { loginAndReadMe } from './app'

test('an app logs in and reads its user', async () => {
  expect(await loginAndReadMe()).toEqual({ language: 'de' })
}, 60_000)

test('errors are instances of the classes that the package exports', () => {
  expect(() => createCustomUserData({} as never)).toThrow(OptionError)
  expect(new CustomUserDataError('invalid_token')).toBeInstanceOf(Error)
})

test('an app is tested without MongoDB', async () => {
  const userData = createTestUserData<{ plan: 'pro' | 'free' }>({ documents: { alice: { plan: 'pro' } } })
  const { customData } = await userData.verifyToken(await tokenFor(userData, 'alice'))
  const plan: 'pro' | 'free' | undefined = customData.plan
  expect(plan).toBe('pro')
})
