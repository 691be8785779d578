import { readDocument, writeDocument } from './calls.js'
import { reasonOf, send } from './client.js'
import { showCurlLine } from './curl.js'
import { announce, byId, runDisabled } from './dom.js'
import { showFields } from './fields.js'

/** @import { Fields } from './fields.js' */

const list = byId('document', HTMLElement)
const form = byId('edit', HTMLFormElement)
const saveButton = byId('save', HTMLButtonElement)
const language = byId('language', HTMLSelectElement)
const timezone = byId('timezone', HTMLInputElement)
const role = byId('role', HTMLSelectElement)
const error = byId('edit-error', HTMLElement)
const curl = byId('curl-edit', HTMLElement)

let user = 'alice'
let canEdit = false
/** Whether the form has changes that are not saved, which a new document must not replace. */
let isDirty = false

/**
 * The document as it was last read. `undefined` if this server shows no documents.
 *
 * @type {Fields | undefined}
 */
let current

/** @type {() => void} */
let whenSaved = () => undefined
/** @type {() => void} */
let whenRead = () => undefined

/**
 * Starts the panel of the document in the database.
 *
 * @param {{ edits: boolean, onSaved: () => void, onRead: () => void }} options
 */
export function startDocumentPanel({ edits, onSaved, onRead }) {
  canEdit = edits
  whenSaved = onSaved
  whenRead = onRead
  form.hidden = curl.hidden = list.hidden = !edits
  byId('edits-off', HTMLElement).hidden = edits
  form.addEventListener('submit', event => {
    event.preventDefault()
    void runDisabled([saveButton], save)
  })
  form.addEventListener('input', () => {
    isDirty = true
    clearEditError()
    showLine()
  })
}

/** @param {string} name */
export async function showDocumentOf(name) {
  user = name
  isDirty = false
  clearEditError()
  await readAgain()
}

/** Reads the document again, and shows it. */
export async function readAgain() {
  if (!canEdit) return
  const asked = user
  const { status, body } = await send(readDocument(asked))
  if (asked === user && status === 200) show(body.document ?? {})
}

/** Removes the reason why the document was not saved. */
export function clearEditError() {
  error.textContent = ''
}

export function currentDocument() {
  return current
}

/** @param {Fields} fields */
function show(fields) {
  current = fields
  showFields(list, fields)
  if (!isDirty) fillForm(fields)
  showLine()
  whenRead()
}

/** @param {Fields} fields */
function fillForm(fields) {
  const value = String(fields['language'] ?? 'en')
  const isOffered = [...language.options].some(option => option.value === value)
  if (!isOffered) language.add(new Option(value))
  language.value = value
  timezone.value = String(fields['timezone'] ?? '')
  role.value = fields['role'] === 'admin' ? 'admin' : 'member'
}

async function save() {
  const owner = user
  const answer = await send(writeDocument(owner, formFields()))
  if (owner !== user) return
  const saved = answer.status === 200
  error.textContent = saved ? '' : reasonOf(answer)
  announce(saved ? 'The document is saved.' : `Not saved. ${reasonOf(answer)}`)
  if (!saved) return
  isDirty = false
  whenSaved()
  show(answer.body.document)
}

function formFields() {
  const zone = timezone.value.trim()
  return { language: language.value, ...(zone && { timezone: zone }), role: role.value }
}

function showLine() {
  showCurlLine(curl, 'saving the document', writeDocument(user, formFields()))
}
