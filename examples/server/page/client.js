import { noteAnswer } from './problem.js'

/** @import { Call } from './calls.js' */

/**
 * @typedef {object} Answer
 * @property {number} status 0 if the server did not answer
 * @property {number} ms
 * @property {any} body the parsed JSON
 */

/**
 * The tokens of the page. They are in memory only, so they end with the page.
 *
 * @type {{ access: string, refresh: string | undefined, receivedAt: number, expiresInMs: number } | undefined}
 */
let tokens

/**
 * Sends a call, and keeps the tokens that its answer brings. Never rejects.
 *
 * @param {Call} call
 * @returns {Promise<Answer>}
 */
export async function send({ method, path, json, token }) {
  const body = token === 'refresh' ? tokens?.refresh && { refresh_token: tokens.refresh } : json
  const began = performance.now()
  try {
    const response = await fetch(path, {
      method,
      headers: {
        ...(token === 'access' && tokens && { Authorization: `Bearer ${tokens.access}` }),
        ...(body && { 'Content-Type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const ms = performance.now() - began
    noteAnswer()
    const answer = { status: response.status, ms, body: parse(text) }
    if (response.ok && answer.body?.access_token) keep(answer.body)
    return answer
  } catch {
    return { status: 0, ms: performance.now() - began, body: undefined }
  }
}

/** @param {{ access_token: string, refresh_token?: string, expires_in: number }} answer */
function keep(answer) {
  tokens = {
    access: answer.access_token,
    refresh: answer.refresh_token,
    receivedAt: performance.now(),
    expiresInMs: answer.expires_in * 1000,
  }
}

export function forgetTokens() {
  tokens = undefined
}

/** The life of the access token: what remains of it, and how long it was. */
export function accessTokenLife() {
  if (!tokens) return undefined
  const { receivedAt, expiresInMs } = tokens
  return { leftMs: Math.max(0, receivedAt + expiresInMs - performance.now()), wholeMs: expiresInMs }
}

/**
 * The reason that a refused request tells, in the words of the server.
 *
 * @param {Answer} answer
 * @returns {string}
 */
export function reasonOf({ status, body }) {
  if (status === 0) return 'The server did not answer.'
  return String(body?.detail ?? body?.error_description ?? `The answer is ${status}.`)
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
