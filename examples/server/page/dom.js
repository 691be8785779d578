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
 * Creates an element. Texts become text nodes, so no value of a document can become markup.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {{ class?: string, [attribute: string]: string | undefined }} [attributes]
 * @param {...(string | Node)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function create(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, value)
  }
  element.append(...children)
  return element
}

/**
 * Creates an element of a drawing.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function draw(tag, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  return element
}

/**
 * Runs an action while controls are disabled, so that a double click does not run it twice.
 *
 * @param {readonly (HTMLButtonElement | HTMLInputElement)[]} controls
 * @param {() => Promise<unknown>} action
 */
export async function runDisabled(controls, action) {
  const focused = controls.find(control => control === document.activeElement)
  for (const control of controls) control.disabled = true
  await action()
  for (const control of controls) control.disabled = false
  // A browser may take the focus from a disabled control.
  if (document.activeElement === document.body) focused?.focus()
}

/** The one live region. Only what the user did is told there, not each request of a series. */
const status = byId('status', HTMLElement)

/** @param {string} message */
export function announce(message) {
  status.textContent = message
}
