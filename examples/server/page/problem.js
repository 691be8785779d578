import { announce, byId } from './dom.js'

const bar = byId('problem', HTMLElement)
let goesWithAnswer = false

/**
 * Shows what went wrong, until the user does something else that works.
 *
 * @param {string} message
 */
export function showProblem(message) {
  bar.hidden = false
  bar.textContent = message
  goesWithAnswer = false
  announce(message)
}

/**
 * Shows that the server did not answer, until it answers anything.
 *
 * @param {string} message
 */
export function showNoAnswer(message) {
  showProblem(message)
  goesWithAnswer = true
}

export function hideProblem() {
  bar.hidden = true
}

/** Hides a problem that an answer of the server has ended. */
export function noteAnswer() {
  if (goesWithAnswer) hideProblem()
}
