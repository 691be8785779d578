import { MongoServerError, MongoNetworkError } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { CustomUserDataError } from '../../lib/errors.js'
import { isDuplicateUser, toWriteError } from '../../lib/writing/write-errors.js'

const serverError = (code: number, more: object = {}) =>
  new MongoServerError({ message: 'no', code, ...more })
const DUPLICATE_KEY = 11000

describe('an insert that fails by a duplicate key', () => {
  it.each([
    [{ _id: 1 }, true],
    [{ userId: 1 }, true],
    [{ email: 1 }, false],
    [{ userId: 1, email: 1 }, false],
  ])('means that the user has a document only for the keys of the user: %j', (keyPattern, expected) => {
    expect(isDuplicateUser(serverError(DUPLICATE_KEY, { keyPattern }), 'userId')).toBe(expected)
  })
})

describe('a write that fails', () => {
  it.each<[string, unknown, string]>([
    ['by a unique index is a conflict', serverError(DUPLICATE_KEY), 'custom_data_conflict'],
    ['by the validator is refused', serverError(121), 'custom_data_refused'],
    ['by too many levels is refused', serverError(15), 'custom_data_refused'],
    ['by its size is too large', serverError(10334), 'payload_too_large'],
    ['by a missing right is a fault of the set-up', serverError(13), 'database_unauthorized'],
    ['by a stop of the operation is unavailable', serverError(11601), 'custom_data_unavailable'],
    ['by the time limit of the server is unavailable', serverError(50), 'custom_data_unavailable'],
    ['by the network is unavailable', new MongoNetworkError('reset'), 'custom_data_unavailable'],
    [
      'by a change of the primary is unavailable',
      serverError(10107, { errorLabels: ['RetryableWriteError'] }),
      'custom_data_unavailable',
    ],
  ])('%s', (_name, cause, code) => {
    expect(toWriteError(cause)).toMatchObject({ code, cause })
  })

  it('is an error of this package with the error of the driver as its cause if the change is wrong', () => {
    const cause = serverError(9)
    expect(toWriteError(cause)).toMatchObject({ code: 'write_refused', status: 500, cause })
  })

  it('keeps an error of this package', () => {
    const errors = [new TypeError('wrong'), new CustomUserDataError('callback_failed', 'failed')]
    for (const error of errors) expect(toWriteError(error)).toBe(error)
  })
})
