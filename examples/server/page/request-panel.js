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
let editedSince = false
/** Counts logins and logouts. An answer that comes after a logout must not be shown. */
let visit = 0
/** Counts the series of requests. Only the newest goes on. */
let series = 0

/**
 * Starts the panel of the next request.
 *
 * @param {{ mode: () => Mode }} options
 */
export function startRequestPanel({ mode }) {
  currentMode = mode
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

/** @param {boolean} isSignedIn */
export function enableRequests(isSignedIn) {
  visit++
  sendButton.disabled = repeat.disabled = !isSignedIn
  if (isSignedIn) return
  repeat.checked = false
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
  if (!stored) showVerdict('none', 'The snapshot of the last request.')
  else if (old.length === 0) showVerdict('same', 'Language, timezone and role are as in the database')
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
  answerStatus.textContent = String(answer.status || 'none')
  answerMs.textContent = `in ${answer.ms.toFixed(1)} ms`
  if (answer.status === 200) showSeen(answer)
  else showRefusal(answer)
  return `${answer.status} in ${Math.ceil(answer.ms)} milliseconds. ${verdict.textContent ?? ''}`
}

/** @param {Answer} answer */
function showSeen({ ms, body }) {
  /** @type {Stats} */
  const stats = body.stats
  answerMs.textContent = `in ${ms.toFixed(1)} ms, from ${body.servedFrom === 'cache' ? 'the cache' : 'MongoDB'}`
  addToPlot({ kind: body.servedFrom === 'cache' ? 'hit' : 'load', ms, afterEdit: editedSince })
  editedSince = false
  seen = body.customData
  greeting.textContent = body.greeting
  greeting.lang = String(body.customData.language ?? 'en')
  showSnapshotAge(body.ageMs)
  showCounters(stats)
  streamState.textContent = stats.changeStreams['custom_data'] ?? 'unknown'
  compare()
}

/** @param {Answer} answer */
function showRefusal(answer) {
  addToPlot({ kind: 'refused', ms: answer.ms, afterEdit: editedSince })
  editedSince = false
  repeat.checked = false
  showVerdict('refused', reasonOf(answer))
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
