import { endSession, listSessions } from './calls.js'
import { reasonOf, send } from './client.js'
import { showCurlLine } from './curl.js'
import { announce, byId, create, runDisabled } from './dom.js'

/** @typedef {{ sid: string, createdAt: string, lastUsedAt: string, device?: string, current: boolean }} Session */

const list = byId('sessions', HTMLElement)
const hint = byId('sessions-hint', HTMLElement)
const reload = byId('reload-sessions', HTMLButtonElement)

/** Counts logouts. A list that comes after a logout must not be shown. */
let visit = 0

const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

export function startSessionsPanel() {
  showCurlLine(byId('curl-sessions', HTMLElement), 'listing the sessions', listSessions)
  reload.addEventListener('click', () => void showSessions().then(announce))
}

/** Shows the list of a signed-out page. */
export function clearSessions() {
  visit++
  list.replaceChildren()
  reload.disabled = true
  hint.textContent = 'Sign in to see them.'
}

/**
 * Reads the list and shows it. Resolves to its length in words.
 *
 * @returns {Promise<string>}
 */
export async function showSessions() {
  const askedIn = visit
  const answer = await send(listSessions)
  if (askedIn !== visit) return ''
  reload.disabled = false
  if (answer.status !== 200) {
    list.replaceChildren()
    hint.textContent =
      answer.status === 401
        ? 'The session of this page has ended, or its token has expired. Log out, and sign in again to see the list.'
        : reasonOf(answer)
    return hint.textContent
  }
  /** @type {Session[]} */
  const sessions = answer.body
  hint.textContent = ''
  list.replaceChildren(...sessions.map(toItem))
  return sessions.length === 1 ? 'There is one session.' : `There are ${sessions.length} sessions.`
}

/** @param {Session} session */
function toItem({ sid, createdAt, lastUsedAt, device = 'unknown device', current }) {
  const begun = time.format(new Date(createdAt))
  const end = create(
    'button',
    { type: 'button' },
    'End',
    create('span', { class: 'hidden' }, ` the session of ${device}, begun ${begun}`),
  )
  end.addEventListener('click', () => void runDisabled([end], () => endIt(sid)))
  const curl = create('div', { class: 'curl' })
  showCurlLine(curl, `ending the session of ${begun}`, endSession(sid))
  const about = create(
    'div',
    {},
    create('strong', {}, device),
    ...(current ? [create('span', { class: 'tag' }, 'this page')] : []),
    create('span', { class: 'hint' }, `begun ${begun}, used ${time.format(new Date(lastUsedAt))}`),
  )
  return create('li', { 'data-sid': sid }, about, end, curl)
}

/** @param {string} sid */
async function endIt(sid) {
  const answer = await send(endSession(sid))
  const rest = await showSessions()
  announce(answer.status === 204 ? `The session has ended. ${rest}` : reasonOf(answer))
  // The button is gone, and the keyboard must not begin at the top of the page again.
  reload.focus()
}
