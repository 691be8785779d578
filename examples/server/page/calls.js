/**
 * A request of the page. `client.js` sends it, and `curl.js` writes the curl line that does the same.
 *
 * @typedef {object} Call
 * @property {'GET' | 'POST' | 'PUT' | 'DELETE'} method
 * @property {string} path
 * @property {Readonly<Record<string, string>>} [json] the body
 * @property {'access' | 'refresh'} [token] the token that it needs
 * @property {true} [bringsTokens] whether the answer has new tokens
 */

/**
 * How a request is served: by which instance, and by which guard.
 *
 * @typedef {object} Mode
 * @property {'on' | 'off'} changeStreams
 * @property {string} maxAge `none`, `10s` or `0`
 */

/**
 * @param {string} email
 * @param {string} password
 * @returns {Call}
 */
export function logIn(email, password) {
  return { method: 'POST', path: '/auth/login', json: { email, password }, bringsTokens: true }
}

/** @type {Call} */
export const refresh = { method: 'POST', path: '/auth/refresh', token: 'refresh', bringsTokens: true }

/** @type {Call} */
export const logOut = { method: 'POST', path: '/auth/logout', token: 'refresh' }

/** @type {Call} */
export const listSessions = { method: 'GET', path: '/auth/sessions', token: 'access' }

/**
 * @param {string} sid
 * @returns {Call}
 */
export function endSession(sid) {
  return { method: 'DELETE', path: `/auth/sessions/${encodeURIComponent(sid)}`, token: 'access' }
}

/**
 * @param {Mode} mode
 * @returns {Call}
 */
export function readCustomData({ changeStreams, maxAge }) {
  const path = `/demo/me/change-streams-${changeStreams}/max-age-${maxAge}`
  return { method: 'GET', path, token: 'access' }
}

/**
 * @param {string} user
 * @returns {Call}
 */
export function readDocument(user) {
  return { method: 'GET', path: `/demo/documents/${user}` }
}

/**
 * @param {string} user
 * @param {Readonly<Record<string, string>>} fields
 * @returns {Call}
 */
export function writeDocument(user, fields) {
  return { method: 'PUT', path: `/demo/documents/${user}`, json: fields }
}
