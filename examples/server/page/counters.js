import { byId, create } from './dom.js'

/** The counters of `stats()` that the page shows, with their meaning. */
const SHOWN = /** @type {const} */ ([
  ['hits', 'from the cache'],
  ['misses', 'not in it'],
  ['loads', 'reads'],
  ['stale', 'too old or invalidated'],
  ['cached', 'snapshots'],
])

/** @typedef {Record<typeof SHOWN[number][0], number> & { changeStreams: Record<string, string> }} Stats */

const list = byId('counters', HTMLElement)

/**
 * Shows the counters of the instance that served the last request.
 *
 * @param {Stats | undefined} stats
 */
export function showCounters(stats) {
  const entries = SHOWN.map(([name, meaning]) => ({ name, meaning, value: String(stats?.[name] ?? '–') }))
  list.replaceChildren(
    ...entries.map(({ name, meaning, value }) =>
      create(
        'div',
        { 'data-counter': name },
        create('dt', {}, name),
        create('dd', {}, create('strong', {}, value), create('span', {}, meaning)),
      ),
    ),
  )
}
