import { create } from './dom.js'

/**
 * A document as JSON.
 *
 * @typedef {Readonly<Record<string, unknown>>} Fields
 */

/** The fields that the page edits, and so the ones that it compares. */
export const EDITED = ['language', 'timezone', 'role']

/**
 * The edited fields in which two documents differ.
 *
 * @param {Fields} one
 * @param {Fields} other
 * @returns {string[]}
 */
export function differences(one, other) {
  return EDITED.filter(name => one[name] !== other[name])
}

/**
 * Shows the fields of a document in a list. Fields in `marked` are highlighted.
 *
 * @param {HTMLElement} list a `dl`
 * @param {Fields} fields
 * @param {readonly string[]} [marked]
 */
export function showFields(list, fields, marked = []) {
  const names = [...EDITED, ...Object.keys(fields).filter(name => !EDITED.includes(name))]
  const shown = names.filter(name => name in fields || marked.includes(name))
  const rows = shown.map(name => {
    const isMarked = marked.includes(name)
    const value = name in fields ? JSON.stringify(fields[name]) : 'none'
    return create(
      'div',
      { class: isMarked ? 'field marked' : 'field', 'data-field': name },
      create('dt', {}, name),
      create('dd', {}, value, ...(isMarked ? [create('span', { class: 'tag' }, 'old')] : [])),
    )
  })
  const empty = create('div', { class: 'field' }, create('dt', {}, 'no document'), create('dd', {}, '{}'))
  list.replaceChildren(...(rows.length > 0 ? rows : [empty]))
}
