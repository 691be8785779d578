import { logIn, logOut, refresh } from './calls.js'
import { forgetTokens, reasonOf, send } from './client.js'
import { showCurlLine, useCookieFile } from './curl.js'
import { readAgain, showDocumentOf, startDocumentPanel } from './document-panel.js'
import { announce, byId } from './dom.js'
import { startGauges } from './gauges.js'
import { startModePanel, currentMode } from './mode-panel.js'
import {
  compare,
  enableRequests,
  noteEdit,
  sendRequest,
  showRequestLine,
  startRequestPanel,
} from './request-panel.js'
import { clearSessions, showSessions, startSessionsPanel } from './sessions-panel.js'

/** How often the document is read while nothing happens, because other programs may change it. */
const READ_MS = 2000

/** The users, and what handlers have of them. */
const HINTS = new Map([
  ['alice', 'Alice has a document with all fields.'],
  ['bob', 'Bob is an admin.'],
  ['carol', 'Carol has no document, so handlers see {}.'],
])

const signInForm = byId('sign-in', HTMLFormElement)
const signedIn = byId('signed-in', HTMLElement)
const signInLine = byId('curl-sign-in', HTMLElement)
const problem = byId('problem', HTMLElement)

const settings = await send({ method: 'GET', path: '/demo/settings' })
if (settings.status === 200) start()
else {
  problem.hidden = false
  problem.textContent = `The page cannot work. ${reasonOf(settings)}`
}

function start() {
  const { edits, snapshotTtlMs, refreshTokenTransport } = settings.body
  if (refreshTokenTransport === 'cookie') useCookieFile()
  startModePanel({ snapshotTtlMs, onChange: showRequestLine })
  startDocumentPanel({ edits, onSaved: noteEdit, onRead: compare })
  startRequestPanel({ mode: currentMode })
  startSessionsPanel()
  startGauges()
  showCurlLine(byId('curl-refresh', HTMLElement), 'refreshing the token', refresh)
  showCurlLine(byId('curl-log-out', HTMLElement), 'logging out', logOut)

  signInForm.addEventListener('change', () => void showChosenUser())
  signInForm.addEventListener('submit', event => {
    event.preventDefault()
    void signIn()
  })
  byId('refresh', HTMLButtonElement).addEventListener('click', () => void refreshTokens())
  byId('log-out', HTMLButtonElement).addEventListener('click', () => void signOut())
  const showCurl = byId('show-curl', HTMLInputElement)
  showCurl.addEventListener('change', () => document.body.classList.toggle('no-curl', !showCurl.checked))
  document.body.classList.toggle('no-curl', !showCurl.checked)
  setInterval(() => document.visibilityState === 'visible' && void readAgain(), READ_MS)
  addEventListener('focus', () => !signedIn.hidden && void showSessions())
  void showChosenUser()
}

/** The user whose button is pressed, such as `alice`. */
function chosenUser() {
  return String(new FormData(signInForm).get('user'))
}

function emailOf(/** @type {string} */ user) {
  return `${user}@example.com`
}

async function showChosenUser() {
  const user = chosenUser()
  byId('user-hint', HTMLElement).textContent = HINTS.get(user) ?? ''
  showCurlLine(signInLine, 'signing in', logIn(emailOf(user), settings.body.password))
  await showDocumentOf(user)
}

async function signIn() {
  const answer = await send(logIn(emailOf(chosenUser()), settings.body.password))
  if (answer.status !== 200) return report(`Not signed in. ${reasonOf(answer)}`)
  problem.hidden = true
  byId('who', HTMLElement).textContent = emailOf(chosenUser())
  showSignedIn(true)
  byId('send', HTMLButtonElement).focus()
  await showSessions()
  // The instance that the page asks has not seen the token, so this request reads the document.
  const outcome = await sendRequest()
  announce(`Signed in as ${chosenUser()}. ${outcome}`)
}

async function refreshTokens() {
  const answer = await send(refresh)
  if (answer.status === 400 || answer.status === 401) {
    leave()
    return report(`The session has ended. Sign in again. ${reasonOf(answer)}`)
  }
  if (answer.status !== 200) return report(reasonOf(answer))
  problem.hidden = true
  const outcome = await sendRequest()
  await showSessions()
  announce(`The token is refreshed. ${outcome}`)
}

async function signOut() {
  const answer = await send(logOut)
  leave()
  if (answer.status === 204) announce('Logged out.')
  else report(`The session may go on. ${reasonOf(answer)}`)
}

function leave() {
  forgetTokens()
  showSignedIn(false)
  clearSessions()
  signInForm.querySelector('button')?.focus()
}

/** @param {boolean} isSignedIn */
function showSignedIn(isSignedIn) {
  signedIn.hidden = !isSignedIn
  signInForm.hidden = signInLine.hidden = isSignedIn
  enableRequests(isSignedIn)
}

/** @param {string} message */
function report(message) {
  problem.hidden = false
  problem.textContent = message
  announce(message)
}
