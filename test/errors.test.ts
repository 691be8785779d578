import express from 'express'
import { CustomUserDataError, OptionError } from 'express-custom-user-data'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { useDatabase } from './support/database.js'
import { createTestUserData } from './support/user-data.js'

const database = useDatabase()

/** Creates an error as plain JavaScript does, with any arguments. */
function create(...given: unknown[]): CustomUserDataError {
  return new CustomUserDataError(...(given as ConstructorParameters<typeof CustomUserDataError>))
}

describe('a CustomUserDataError', () => {
  it('has its HTTP status under both names that frameworks read', () => {
    const error = create('credentials_unavailable', 'The directory is away.')
    expect(error).toMatchObject({ status: 503, statusCode: 503 })
  })

  it('has its code as the data that Socket.IO sends to clients', () => {
    expect(create('invalid_token').data).toEqual({ code: 'invalid_token' })
  })

  it('has the title of its code for a message, if none is given', () => {
    expect(create('invalid_credentials').message).toBe('The credentials are not valid')
  })

  it.each([
    [
      'unknown_code',
      /^new CustomUserDataError\(\): there is no code "unknown_code"\. The codes are: invalid_/,
    ],
    ['invalid_credential', /there is no code "invalid_credential"\. Did you mean "invalid_credentials"\?/],
    ['constructor', /there is no code "constructor"/],
    [undefined, /the first argument is no code \(given: undefined\)\. The codes are: /],
    ['The password is wrong.', /the first argument is no code \(given: string\)/],
  ])('says which codes exist if it is created with the code %j', (code, message) => {
    expect(() => create(code, 'Not now.')).toThrow(OptionError)
    expect(() => create(code, 'Not now.')).toThrow(message)
  })

  it('with a mistyped code in verifyCredentials is a 500, and the event names the code', async () => {
    const userData = createTestUserData(database)
    const failures: string[] = []
    userData.events.on('request_failed', ({ message }) => failures.push(message))
    const verify = () => {
      throw create('invalid_credentails', 'Wrong.')
    }
    const app = express().post('/login', userData.login(verify))
    const answer = await request(app).post('/login').send({ email: 'a' })
    expect(answer.status).toBe(500)
    expect(failures).toEqual([expect.stringContaining('there is no code "invalid_credentails"')])
  })
})
