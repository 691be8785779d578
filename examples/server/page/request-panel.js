import { readCustomData } from './calls.js'
import { reasonOf, send } from './client.js'
import { showCounters } from './counters.js'
import { showCurlLine } from './curl.js'
import { currentDocument, readAgain } from './document-panel.js'
import { announce, byId } from './dom.js'
import { differences, showFields } from './fields.js'
import { clearGauges, showSnapshotAge } from './gauges.js'
import { addToPlot, clearPlot } from './plot.js'

/** @import { Mode } from './calls.js' */
/** @import { Answer } from './client.js' */
/** @import { Stats } from './counters.js' */
/** @import { Fields } from './fields.js' */

const EACH_MS = 1000

const sendButton = byId('send', HTMLButtonElement)
const repeat = byId('repeat', HTMLInputElement)
const verdict = byId('verdict', HTMLElement)
const greeting = byId('greeting', HTMLElement)
const list = byId('seen', HTMLElement)
const answerStatus = byId('answer-status', HTMLElement)
const answerMs = byId('answer-ms', HTMLElement)
const streamState = byId('stream-state', HTMLElement)

/** @type {() => Mode} */
let currentMode
/** @type {Fields | undefined} */
let seen
/**
 * The document as it was when the last answer came.
 *
 * @type {Fields | undefined}
 */
let storedThen
/** Whether the last request was refused or not answered. The verdict says so until the next answer. */
let failed = false
let editedSince = false
/** @type {(reason: string) => void} */
let whenRefused
/** Counts logins, refreshes and logouts. An answer that comes after a logout must not be shown. */
let visit = 0
/** Counts the series of requests. Only the newest goes on. */
let series = 0

/**
 * Starts the panel of requests.
 *
 * @param {{ mode: () => Mode, onRefused: (reason: string) => void }} options `onRefused` ends the use of a refused token
 */
export function startRequestPanel({ mode, onRefused }) {
  currentMode = mode
  whenRefused = onRefused
  sendButton.addEventListener('click', () => void sendRequest().then(announce))
  repeat.addEventListener('change', () => void sendEachSecond())
  showCounters(undefined)
  showRequestLine()
}

/** Shows the curl line of the next request. */
export function showRequestLine() {
  showCurlLine(byId('curl-send', HTMLElement), 'sending a request', readCustomData(currentMode()))
}

/** Marks the next request in the plot as the first one after a change. */
export function noteEdit() {
  editedSince = true
}

/**
 * Lets the user send requests, or clears the panel.
 *
 * @param {boolean} isSignedIn
 */
export function enableRequests(isSignedIn) {
  visit++
  sendButton.disabled = repeat.disabled = !isSignedIn
  if (isSignedIn) return
  repeat.checked = false
  failed = false
  seen = undefined
  list.replaceChildren()
  greeting.textContent = ''
  answerStatus.textContent = '–'
  answerMs.textContent = ''
  clearGauges()
  clearPlot()
  showVerdict('none', 'Sign in, then send a request.')
}

/** Compares what the last request saw with the document of now. */
export function compare() {
  const stored = currentDocument()
  if (!seen) return
  const old = stored ? differences(stored, seen) : []
  showFields(list, seen, old)
  if (failed) return
  if (!stored) showVerdict('none', 'The snapshot of the last request.')
  else if (old.length === 0) showVerdict('same', 'Language, timezone and role are as in the database')
  else if (storedThen && differences(stored, storedThen).length > 0)
    showVerdict('old', `Not asked again yet. Changed since: ${old.join(', ')}`)
  else showVerdict('old', `Still old: ${old.join(', ')}`)
}

/**
 * Sends one request. Resolves to what it saw, in words.
 *
 * @returns {Promise<string>}
 */
export async function sendRequest() {
  const sentIn = visit
  const answer = await send(readCustomData(currentMode()))
  await readAgain()
  if (sentIn !== visit) return ''
  if (answer.status === 200) showSeen(answer)
  else showFailure(answer)
  answerStatus.textContent = String(answer.status || 'none')
  return `${answer.status} in ${Math.ceil(answer.ms)} milliseconds. ${verdict.textContent ?? ''}`
}

/** @param {Answer} answer */
function showSeen({ ms, body }) {
  /** @type {Stats} */
  const stats = body.stats
  answerMs.textContent = `in ${ms.toFixed(1)} ms, from ${body.servedFrom === 'cache' ? 'the cache' : 'MongoDB'}`
  addToPlot({ kind: body.servedFrom === 'cache' ? 'hit' : 'load', ms, afterEdit: editedSince })
  editedSince = false
  failed = false
  seen = body.customData
  storedThen = currentDocument()
  greeting.textContent = body.greeting
  greeting.lang = String(body.customData.language ?? 'en')
  showSnapshotAge(body.ageMs)
  showCounters(stats)
  streamState.textContent = stats.changeStreams['custom_data'] ?? 'unknown'
  compare()
}

/** @param {Answer} answer */
function showFailure(answer) {
  addToPlot({ kind: 'refused', ms: answer.ms, afterEdit: editedSince })
  editedSince = false
  const stopped = repeat.checked ? describeStop(answer.status) : ''
  repeat.checked = false
  const reason = reasonOf(answer)
  // No later request with this token is answered, so the page signs out.
  if (answer.status === 401) whenRefused(reason)
  failed = true
  answerMs.textContent = `in ${answer.ms.toFixed(1)} ms`
  showVerdict('refused', `${reason} ${adviceFor(answer.status)}${stopped}`)
}

/** @param {number} status */
function adviceFor(status) {
  if (status === 401) return 'Sign in again.'
  return status === 0 ? 'Send another request when it runs again.' : 'Send another request later.'
}

/** @param {number} status */
function describeStop(status) {
  const why = status === 401 ? 'each request would be refused' : 'this request failed'
  return ` “One each second” has stopped, because ${why}.`
}

async function sendEachSecond() {
  const mine = ++series
  while (repeat.checked && mine === series) {
    await sendRequest()
    await new Promise(resolve => setTimeout(resolve, EACH_MS))
  }
}

/**
 * @param {'none' | 'same' | 'old' | 'refused'} state
 * @param {string} text
 */
function showVerdict(state, text) {
  verdict.dataset['state'] = state
  verdict.textContent = text
}
