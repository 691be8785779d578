import { byId } from './dom.js'
import { accessTokenLife } from './client.js'

/** Bars that move slowly need no more. */
const TICK_MS = 250
const TICK_WITHOUT_MOTION_MS = 1000

const age = byId('age', HTMLMeterElement)
const ageText = byId('age-text', HTMLElement)
const life = byId('life', HTMLMeterElement)
const lifeText = byId('life-text', HTMLElement)

/**
 * The snapshot of the last answer.
 *
 * @type {{ ageMs: number | undefined, at: number } | undefined}
 */
let snapshot
let limitMs = 1

/**
 * Shows the age of a snapshot, which goes on growing.
 *
 * @param {number | undefined} ageMs
 */
export function showSnapshotAge(ageMs) {
  snapshot = { ageMs, at: performance.now() }
  tick()
}

/**
 * Sets the age at which a snapshot is read again.
 *
 * @param {number} ms
 */
export function setAgeLimit(ms) {
  limitMs = ms
  tick()
}

export function clearGauges() {
  snapshot = undefined
  tick()
}

/** Begins to move the bars. */
export function startGauges() {
  const reduced = matchMedia('(prefers-reduced-motion: reduce)')
  const next = () => {
    tick()
    setTimeout(next, reduced.matches ? TICK_WITHOUT_MOTION_MS : TICK_MS)
  }
  next()
}

function tick() {
  const ageMs = snapshot?.ageMs === undefined ? undefined : snapshot.ageMs + performance.now() - snapshot.at
  show(age, ageMs, limitMs || 1)
  ageText.textContent = describeAge(ageMs)
  const left = accessTokenLife()
  show(life, left?.leftMs, left?.wholeMs ?? 1)
  lifeText.textContent = left ? describe(left.leftMs) : 'no token'
}

/**
 * @param {HTMLMeterElement} meter
 * @param {number | undefined} value
 * @param {number} max
 */
function show(meter, value = 0, max) {
  meter.max = max
  meter.value = Math.min(value, max)
}

/** @param {number | undefined} ageMs */
function describeAge(ageMs) {
  if (!snapshot) return 'no snapshot'
  if (ageMs === undefined) return 'unknown'
  const limit = limitMs === 0 ? 'read at each request' : `read again after ${describe(limitMs)}`
  return `${describe(ageMs)}, ${limit}`
}

/**
 * A duration in words, such as `29 min 3 s`.
 *
 * @param {number} ms
 */
function describe(ms) {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
