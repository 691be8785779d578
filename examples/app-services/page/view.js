/**
 * The element with an id. Throws if the page has none of that type, because the page would then not work at all.
 *
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const found = document.getElementById(id)
  if (found instanceof type) return found
  throw new Error(`The page has no ${type.name} with the id ${id}.`)
}

/**
 * Shows names and values. They become text nodes, so no value of a document can become markup.
 *
 * @param {string} id
 * @param {object} values
 */
export function showFields(id, values) {
  const rows = Object.entries(values).map(([name, value]) => {
    const row = document.createElement('div')
    row.className = 'field'
    row.dataset['field'] = name
    const term = document.createElement('dt')
    const description = document.createElement('dd')
    term.textContent = name
    description.textContent = typeof value === 'string' ? value : JSON.stringify(value)
    row.append(term, description)
    return row
  })
  byId(id, HTMLElement).replaceChildren(...rows)
}

/** @param {string} text */
export function addChange(text) {
  const item = document.createElement('li')
  item.textContent = text
  byId('changes', HTMLElement).prepend(item)
}

/**
 * Tells an outcome in the one live region.
 *
 * @param {'done' | 'refused'} state
 * @param {string} text
 */
export function tell(state, text) {
  const status = byId('status', HTMLElement)
  status.dataset['state'] = state
  status.textContent = text
}

/**
 * Makes a button or a form run an action. Its buttons are disabled meanwhile, so that a double click does not run it twice.
 *
 * @param {string} id
 * @param {(submitted: { fields: FormData, by: string }) => Promise<void>} run never rejects
 */
export function onUse(id, run) {
  const element = byId(id, HTMLElement)
  const isForm = element instanceof HTMLFormElement
  const buttons = isForm
    ? [...element.querySelectorAll('button')]
    : [/** @type {HTMLButtonElement} */ (element)]
  element.addEventListener(isForm ? 'submit' : 'click', async event => {
    event.preventDefault()
    const submitter = event instanceof SubmitEvent ? event.submitter : null
    const by = submitter instanceof HTMLButtonElement ? submitter.value : ''
    const focused = document.activeElement
    const fields = new FormData(isForm ? element : undefined)
    for (const button of buttons) button.disabled = true
    await run({ fields, by })
    for (const button of buttons) button.disabled = false
    // A browser takes the focus from a disabled button.
    if (document.activeElement === document.body && focused instanceof HTMLElement) focused.focus()
  })
}
