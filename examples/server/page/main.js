import { logIn, logOut, refresh } from './calls.js'
import { forgetTokens, reasonOf, send } from './client.js'
import { showCurlLine, useCookieFile } from './curl.js'
import {
  clearEditError,
  currentDocument,
  readAgain,
  showDocumentOf,
  startDocumentPanel,
} from './document-panel.js'
import { announce, byId, runDisabled } from './dom.js'
import { startGauges } from './gauges.js'
import { startModePanel, currentMode } from './mode-panel.js'
import { hideProblem, showNoAnswer, showProblem } from './problem.js'
import {
  compare,
  enableRequests,
  noteEdit,
  sendRequest,
  showRequestLine,
  startRequestPanel,
} from './request-panel.js'
import { clearSessions, showSessions, startSessionsPanel } from './sessions-panel.js'

/** @import { Answer } from './client.js' */

/** How often the document is read while nothing happens, because other programs may change it. */
const READ_MS = 2000

const signInForm = byId('sign-in', HTMLFormElement)
const signedIn = byId('signed-in', HTMLElement)
const signInLine = byId('curl-sign-in', HTMLElement)
const signInButton = byId('sign-in-button', HTMLButtonElement)
const users = [...signInForm.querySelectorAll('input')]
const actions = [byId('refresh', HTMLButtonElement), byId('log-out', HTMLButtonElement)]
const userHint = byId('user-hint', HTMLElement)

const settings = await send({ method: 'GET', path: '/demo/settings' })
if (settings.status === 200) start()
else
  showProblem(
    `The page cannot work. ${reasonOf(settings)}${settings.status === 0 ? ' Start it, and reload the page.' : ''}`,
  )

function start() {
  const { edits, snapshotTtlMs, refreshTokenTransport } = settings.body
  if (refreshTokenTransport === 'cookie') useCookieFile()
  startModePanel({ snapshotTtlMs, onChange: showRequestLine })
  startDocumentPanel({
    edits,
    onSaved: noteEdit,
    onRead: () => {
      showUserHint()
      compare()
    },
  })
  startRequestPanel({ mode: currentMode, onRefused: signOutAfterRefusal })
  startSessionsPanel()
  startGauges()
  showCurlLine(byId('curl-refresh', HTMLElement), 'refreshing the token', refresh)
  showCurlLine(byId('curl-log-out', HTMLElement), 'logging out', logOut)

  signInForm.addEventListener('change', () => void showChosenUser())
  signInForm.addEventListener('submit', event => {
    event.preventDefault()
    void runDisabled([signInButton, ...users], signIn)
  })
  byId('refresh', HTMLButtonElement).addEventListener('click', () => void runDisabled(actions, refreshTokens))
  byId('log-out', HTMLButtonElement).addEventListener('click', () => void runDisabled(actions, signOut))
  const showCurl = byId('show-curl', HTMLInputElement)
  showCurl.addEventListener('change', () => document.body.classList.toggle('no-curl', !showCurl.checked))
  document.body.classList.toggle('no-curl', !showCurl.checked)
  setInterval(() => document.visibilityState === 'visible' && void readAgain(), READ_MS)
  addEventListener('focus', () => !signedIn.hidden && void showSessions())
  void showChosenUser()
}

/** The user whose button is pressed, such as `alice`. */
function chosenUser() {
  return users.find(({ checked }) => checked)?.value ?? 'alice'
}

function emailOf(/** @type {string} */ user) {
  return `${user}@example.com`
}

async function showChosenUser() {
  const user = chosenUser()
  userHint.textContent = ''
  showCurlLine(signInLine, 'signing in', logIn(emailOf(user), settings.body.password))
  await showDocumentOf(user)
}

/** Says what is special about the chosen user's document of now. */
function showUserHint() {
  const document = currentDocument()
  if (!document) return
  const user = chosenUser()
  const name = `${user.charAt(0).toUpperCase()}${user.slice(1)}`
  if (Object.keys(document).length === 0)
    userHint.textContent = `${name} has no document, so handlers see {}.`
  else if (document['role'] === 'admin') userHint.textContent = `${name} is an admin.`
  else userHint.textContent = `${name} has a document.`
}

async function signIn() {
  const user = chosenUser()
  const answer = await send(logIn(emailOf(user), settings.body.password))
  if (answer.status !== 200) return report(answer, 'Not signed in. ')
  hideProblem()
  clearEditError()
  byId('who', HTMLElement).textContent = emailOf(user)
  showSignedIn(true)
  byId('send', HTMLButtonElement).focus()
  await showSessions()
  // The instance that the page asks has not seen the token, so this request reads the document.
  const outcome = await sendRequest()
  if (signedIn.hidden) return
  announce(`Signed in as ${user}. ${outcome}`)
}

async function refreshTokens() {
  const answer = await send(refresh)
  if (answer.status === 400 || answer.status === 401) {
    leave()
    return showProblem(`The session has ended. Sign in again. ${reasonOf(answer)}`)
  }
  if (answer.status !== 200) return report(answer)
  hideProblem()
  // An answer to the token of before must not sign the page out.
  showSignedIn(true)
  const outcome = await sendRequest()
  if (signedIn.hidden) return
  await showSessions()
  announce(`The token is refreshed. ${outcome}`)
}

async function signOut() {
  const answer = await send(logOut)
  leave()
  if (answer.status === 204) announce('Logged out.')
  else showProblem(`The session may go on. ${reasonOf(answer)}`)
}

/** @param {string} reason */
function signOutAfterRefusal(reason) {
  leave()
  showProblem(`A request was refused. ${reason} Sign in again.`)
}

function leave() {
  forgetTokens()
  showSignedIn(false)
  clearSessions()
  const focused = document.activeElement
  // Somebody who edits the document goes on with that.
  if (focused === document.body || focused?.matches(':disabled') || !focused?.checkVisibility())
    signInButton.focus()
}

/** @param {boolean} isSignedIn */
function showSignedIn(isSignedIn) {
  signedIn.hidden = !isSignedIn
  signInForm.hidden = isSignedIn
  enableRequests(isSignedIn)
}

/**
 * Shows why an action failed.
 *
 * @param {Answer} answer
 * @param {string} [before]
 */
function report(answer, before = '') {
  const message = `${before}${reasonOf(answer)}`
  if (answer.status === 0) showNoAnswer(message)
  else showProblem(message)
}
