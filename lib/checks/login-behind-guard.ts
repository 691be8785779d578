import { toShownPath } from '../util/request-path.js'
import type { RefusalCheck } from './request-check.js'

const ROUTES = {
  login: {
    line: "app.post('/login', userData.login(verifyCredentials))",
    why: 'Who logs in has no access token yet, so nobody can log in.',
  },
  refresh: {
    line: "app.post('/refresh', userData.refresh())",
    why: 'The access token of a client that refreshes has expired, so nobody stays logged in.',
  },
} as const

/**
 * Checks whether a guard refuses a request that `login()` or `refresh()` behind it would take. A route in front of the guard
 * would have answered the request, so the guard never gets it in an app that is right.
 */
export const checkLoginBehindGuard: RefusalCheck = ({ req, error, handlers }) => {
  if (error.status !== 401 || req.method !== 'POST' || !handlers.has('login', 'refresh')) return undefined
  const called = handlers.calledFor(req)
  const guard = called.indexOf('guard')
  const route = called.slice(guard + 1).find(kind => kind === 'login' || kind === 'refresh')
  if (guard === -1 || route === undefined) return undefined
  const { line, why } = ROUTES[route]
  const message =
    `POST ${toShownPath(req)} was refused with 401 ${error.code}, because a guard stands above the route ${route}(). ${why} ` +
    `Move the line that mounts it above app.use(userData.authenticate()). It is a line such as ${line}.`
  return { code: 'login_behind_guard', message }
}
