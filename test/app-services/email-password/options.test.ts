import { createAppServices } from 'express-custom-user-data/app-services'
import { expect, onTestFinished, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { createTestUserData } from '../../support/user-data.js'

const database = useDatabase()
const pending = () => ({ status: 'pending' }) as const
const EXACTLY_ONE =
  'option "providers.emailPassword": give exactly one of autoConfirm: true, confirmationFunction and sendConfirmation'

function create(emailPassword: object) {
  const userData = createTestUserData(database, { userDataInToken: 'canonical' })
  onTestFinished(() => userData.close())
  return createAppServices({
    userData,
    database: database.db,
    appId: 'application-0-abcde',
    hostname: 'https://api.example.com/realm',
    providers: { emailPassword: emailPassword },
  })
}

test.each([
  ['no way to confirm', {}, EXACTLY_ONE],
  ['autoConfirm: false alone', { autoConfirm: false }, EXACTLY_ONE],
  ['two ways to confirm', { autoConfirm: true, sendConfirmation: pending }, EXACTLY_ONE],
  ['two other ways', { confirmationFunction: pending, sendConfirmation: pending }, EXACTLY_ONE],
  [
    'two ways to reset',
    { autoConfirm: true, resetFunction: pending, sendPasswordReset: pending },
    'option "providers.emailPassword": give one of resetFunction and sendPasswordReset',
  ],
  [
    'a text as a function',
    { autoConfirm: true, resetFunction: 'reset' },
    'option "providers.emailPassword.resetFunction": write a function (given: a value of type string)',
  ],
  [
    'a misspelled option',
    { autoConfirm: true, sendReset: pending },
    'option "providers.emailPassword.sendReset": there is no such option; the options here are autoConfirm',
  ],
])('%s is a mistake', (_name, options, text) => {
  expect(() => create(options)).toThrow(text)
})

test.each([
  [{ autoConfirm: true }],
  [{ sendConfirmation: pending, sendPasswordReset: pending }],
  [{ autoConfirm: false, confirmationFunction: pending, resetFunction: pending }],
])('the options %o are accepted', async options => {
  await expect(create(options).ready()).resolves.toBeUndefined()
})
