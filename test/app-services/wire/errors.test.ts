import { expect, test } from 'vitest'
import { AppServicesError } from 'express-custom-user-data/app-services'
import { CustomUserDataError } from 'express-custom-user-data'
import { toAppServicesError } from '../../../lib/app-services/wire/errors.js'
import { invalidSession, withoutLoop } from '../../../lib/app-services/wire/loops.js'

test('an error has the status of its code, unless another is given', () => {
  expect(new AppServicesError('NoMatchingRuleFound', 'no').status).toBe(403)
  expect(new AppServicesError('LimitExceeded', 'no', { status: 400 }).status).toBe(400)
})

test.each([200, 399, 600, NaN, 400.5, '400'])(
  'the status %s is refused, because no answer can have it',
  status => {
    expect(() => new AppServicesError('BadRequest', 'no', { status: status as number })).toThrow(TypeError)
  },
)

test.each([{ 'Retry After': '1' }, { 'Retry-After': 'a\r\nSet-Cookie: b' }, { 'Retry-After': undefined }])(
  'the headers %j are refused, because HTTP does not allow them',
  headers => {
    expect(() => new AppServicesError('BadRequest', 'no', { headers: headers as never })).toThrow(TypeError)
  },
)

test('an unknown code is refused, with the codes that there are', () => {
  expect(() => new AppServicesError('Nothing' as never, 'no')).toThrow(/no code "Nothing".*UserNotFound/)
})

test.each([
  new AppServicesError('InvalidSession', 'go away'),
  new AppServicesError('AuthError', 'unauthorized'),
  new AppServicesError('BadRequest', 'unauthorized', { status: 401 }),
])('an error of the team after which a client would repeat the request for ever is changed: %s', error => {
  const { status, code, message } = withoutLoop(error)
  expect([status, code]).toEqual([401, 'AuthError'])
  expect(message).not.toBe('unauthorized')
})

test.each([
  invalidSession('expired'),
  new AppServicesError('AuthError', 'unauthorized: wrong password'),
  new AppServicesError('InvalidSession', 'go away', { status: 403 }),
])('other errors stay: %s', error => {
  expect(withoutLoop(error)).toBe(error)
})

test.each(['invalid_token', 'missing_token', 'invalid_grant', 'session_not_found'] as const)(
  'the error %s of a function that verifies another token asks for no refresh',
  code => {
    const shown = withoutLoop(toAppServicesError(new CustomUserDataError(code, 'no')))
    expect(shown).toMatchObject({ code: 'AuthError', status: 401, message: 'the token is not valid' })
  },
)

test.each([
  ['too_many_attempts', 'LimitExceeded', /^there were too many attempts/],
  ['invalid_credentials', 'AuthError', /^unauthorized: /],
  ['invalid_request', 'BadRequest', /^made up$/],
  ['payload_too_large', 'ReadSizeLimitExceeded', /^made up$/],
  ['custom_data_missing', 'NoMatchingRuleFound', /^the user has no custom data$/],
  ['custom_data_unavailable', 'MaintenanceInProgress', /^the service is not available/],
  ['callback_failed', 'InternalServerError', /^internal server error$/],
] as const)('the error %s of a function of the team is %s for clients', (code, shownCode, text) => {
  const cause = new CustomUserDataError(code, 'made up')
  const shown = toAppServicesError(cause)
  expect(shown).toMatchObject({ code: shownCode, message: expect.stringMatching(text), cause })
})

test('the time after which a client may try again is kept', () => {
  expect(toAppServicesError(new CustomUserDataError('custom_data_unavailable')).headers).toEqual({
    'Retry-After': '1',
  })
})
