import type { CustomUserData } from '../instance.js'
import { authenticateLogin, endSession, exchangeRefreshToken } from '../login/without-request.js'
import { parseAttempt, parseAuthenticateLoginOptions, parseRefreshTokenClient } from '../options/logins.js'
import { needOwn } from './access-tokens.js'
import type { Calls } from './calls.js'
import type { Logins } from './logins.js'

/** The methods of an instance that do without a request what the routes for logins, refreshes and logouts do. */
type LoginFunctions = Pick<
  CustomUserData<object>,
  'authenticateLogin' | 'exchangeRefreshToken' | 'endSession' | 'countAttempt'
>

/** Creates the functions for logins, refreshes and logouts without HTTP. */
export function createLoginFunctions({ tokenIssuer, ...logins }: Logins, calls: Calls): LoginFunctions {
  const loginFlow = tokenIssuer && logins.loginFlowFor('authenticateLogin()')
  const refreshFlow = tokenIssuer && logins.refreshFlowFor('exchangeRefreshToken()')
  return {
    async authenticateLogin(options) {
      const flow = needOwn(loginFlow, 'authenticateLogin()')
      const login = parseAuthenticateLoginOptions(options)
      return calls.measure('authenticateLogin', () => authenticateLogin(flow, login))
    },
    async exchangeRefreshToken(refreshToken, options) {
      const flow = needOwn(refreshFlow, 'exchangeRefreshToken()')
      const client = parseRefreshTokenClient('exchangeRefreshToken()', options)
      return calls.measure('exchangeRefreshToken', () => exchangeRefreshToken(flow, refreshToken, client))
    },
    async countAttempt(attempt) {
      needOwn(tokenIssuer, 'countAttempt()')
      const parsed = parseAttempt(attempt)
      return calls.count('countAttempt', () => logins.countAttempt(parsed))
    },
    async endSession(refreshToken, options) {
      needOwn(tokenIssuer, 'endSession()')
      const client = parseRefreshTokenClient('endSession()', options)
      await calls.measure('endSession', async () => {
        await endSession(logins.endSessions, refreshToken, client)
        return undefined
      })
    },
  }
}
