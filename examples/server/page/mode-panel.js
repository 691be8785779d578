import { byId } from './dom.js'
import { setAgeLimit } from './gauges.js'

/** @import { Mode } from './calls.js' */

const changeStreams = byId('change-streams', HTMLInputElement)
const maxAges = document.querySelectorAll('input[name="max-age"]')
const hint = byId('mode-hint', HTMLElement)

/** The ages after which a guard reads again, by the value of the button. */
const LIMITS_MS = new Map([
  ['10s', 10_000],
  ['0', 0],
])

/**
 * Starts the switches, which choose the route of the next request.
 *
 * @param {{ snapshotTtlMs: number, onChange: () => void }} options
 */
export function startModePanel({ snapshotTtlMs, onChange }) {
  const show = () => {
    setAgeLimit(Math.min(LIMITS_MS.get(currentMode().maxAge) ?? Infinity, snapshotTtlMs))
    hint.textContent = describe(currentMode())
  }
  for (const input of [changeStreams, ...maxAges]) {
    input.addEventListener('change', () => {
      show()
      onChange()
    })
  }
  show()
}

/** @returns {Mode} */
export function currentMode() {
  const checked = [...maxAges].find(input => input instanceof HTMLInputElement && input.checked)
  return {
    changeStreams: changeStreams.checked ? 'on' : 'off',
    maxAge: checked instanceof HTMLInputElement ? checked.value : 'none',
  }
}

/** @param {Mode} mode */
function describe({ changeStreams, maxAge }) {
  if (maxAge === '0') return 'Each request reads the document.'
  const age = maxAge === '10s' ? ' A snapshot older than 10 seconds is read again.' : ''
  return changeStreams === 'on'
    ? `A change of the document drops the snapshot, so the next request reads again.${age}`
    : age.trim() || 'The snapshot serves until it is too old, or until the token is refreshed.'
}
