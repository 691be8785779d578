import { create } from './dom.js'

/** @import { Call } from './calls.js' */

let cookies = false

/** Says that the server keeps refresh tokens in a cookie, so curl needs a file for it. */
export function useCookieFile() {
  cookies = true
}

/**
 * Writes the line for a POSIX shell. Tokens are shell variables, so the line can be shown and kept. If the answer brings
 * tokens, the line sets the variables. It stops where curl fails, so that no variable has a text that is no token.
 *
 * @param {Call} call
 * @returns {string}
 */
export function toCurlLine(call) {
  const request = toRequest(call)
  if (!call.bringsTokens) return `curl -s ${request}`
  const names = cookies ? ['access_token'] : ['access_token', 'refresh_token']
  const settings = names.map(
    name => `${name.toUpperCase()}=$(node -p 'JSON.parse(process.argv[1]).${name}' "$tokens")`,
  )
  return [`tokens=$(curl -fsS ${request})`, ...settings].join(' &&\n')
}

/** @param {Call} call */
function toRequest({ method, path, json, token, bringsTokens }) {
  const withoutBody = token === 'refresh' && cookies
  const body = token === 'refresh' ? REFRESH_BODY : json && quote(JSON.stringify(json))
  const sendsBody = body !== undefined && !withoutBody
  const isDefault = sendsBody ? method === 'POST' : method === 'GET'
  return [
    ...(isDefault ? [] : [`-X ${method}`]),
    `${location.origin}${path}`,
    ...(token === 'access' ? ['-H "Authorization: Bearer $ACCESS_TOKEN"'] : []),
    ...(cookies && token === 'refresh' ? ['-b cookies.txt'] : []),
    ...(cookies && (token === 'refresh' || bringsTokens) ? ['-c cookies.txt'] : []),
    ...(sendsBody ? ["-H 'Content-Type: application/json'", `-d ${body}`] : []),
  ].join(' ')
}

const REFRESH_BODY = String.raw`"{\"refresh_token\":\"$REFRESH_TOKEN\"}"`

/**
 * Shows the line of a call in a container, with a button that copies it.
 *
 * @param {HTMLElement} container
 * @param {string} action the words for the button's name, such as "signing in"
 * @param {Call} call
 */
export function showCurlLine(container, action, call) {
  const line = toCurlLine(call)
  const shown = container.querySelector('code')
  if (shown) {
    if (shown.textContent !== line) shown.textContent = line
    return
  }
  const code = create('code', {}, line)
  const copy = create(
    'button',
    { type: 'button', class: 'copy' },
    'Copy',
    create('span', { class: 'hidden' }, ` the curl line for ${action}`),
  )
  copy.addEventListener('click', () => void copyText(code.textContent ?? '', copy))
  container.append(code, copy)
}

/**
 * @param {string} text
 * @param {HTMLButtonElement} button
 */
async function copyText(text, button) {
  const label = button.firstChild
  if (!label) return
  label.textContent = await navigator.clipboard.writeText(text).then(
    () => 'Copied',
    () => 'Not allowed',
  )
  setTimeout(() => (label.textContent = 'Copy'), 2000)
}

/** @param {string} text */
function quote(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
