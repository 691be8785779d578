import type { Document } from 'mongodb'
import type { CheckTarget } from '../check.js'
import { USABLE_TYPES } from '../stored-ids.js'
import { addTo, showBytes, showCount, showCountOf, showShare, showTally } from './in-words.js'
import { scan } from './scan.js'
import { notChecked, outOfTime } from './survey.js'
import type { Finding, SurveyLimits, SurveyResult } from './survey.js'

/** The most documents over the limit that a finding names. */
const MOST_NAMED = 5
/** The longest `_id` that is shown. */
const MAX_SHOWN = 60
/** The name of a text without characters, which is no user's id. */
const EMPTY = 'empty string'
/** The types of a field that holds no id, by MongoDB's names. */
const NO_ID = ['missing', 'null', 'undefined', EMPTY]

/** What to look for in the documents. */
export interface DocumentsTarget extends Pick<
  CheckTarget,
  'collection' | 'userIdField' | 'hasToFieldValues'
> {
  readonly maxDocumentBytes: number
}

interface Oversized {
  readonly id: string
  readonly bytes: number
}

/** Reads the type of the user id and the size of each document: how many there are, who has one, and which are too large. */
export async function surveyDocuments(target: DocumentsTarget, limits: SurveyLimits): Promise<SurveyResult> {
  const { collection, userIdField, hasToFieldValues, maxDocumentBytes } = target
  const types = new Map<string, number>()
  let count = 0
  let largestBytes = 0
  let overLimit = 0
  let largest: Oversized[] = []
  const isComplete = await scan(collection, toRow(target), limits, row => {
    const { type, bytes } = row as { readonly type: string; readonly bytes: number }
    count++
    addTo(types, type)
    largestBytes = Math.max(largestBytes, bytes)
    if (bytes <= maxDocumentBytes) return
    overLimit++
    largest = [...largest, { id: showId(row['id']), bytes }]
      .sort((one, other) => other.bytes - one.bytes)
      .slice(0, MOST_NAMED)
  })
  const isUsable = (type: string) =>
    hasToFieldValues ? ![...NO_ID, 'array'].includes(type) : USABLE_TYPES.includes(type)
  const withUserId = [...types].reduce((sum, [type, n]) => (isUsable(type) ? sum + n : sum), 0)
  const unusable = new Map([...types].filter(([type]) => !isUsable(type)))
  const findings: Finding[] = []
  // If no document is usable, other checks say why.
  if (unusable.size > 0 && withUserId > 0) findings.push(ofNobody(target, count, unusable))
  if (overLimit > 0) findings.push(tooLarge(target, overLimit, largest))
  if (!isComplete) {
    const read = `only ${showCountOf(count, 'document')} of ${collection.namespace} were read: `
    findings.push(notChecked('All documents', read + outOfTime(limits.timeoutMs)))
  }
  return {
    says: count === 0 ? 'none yet' : toSummary(count, withUserId, userIdField),
    lines: count === 0 ? [] : [`ids: ${showTally(types)}`, `largest: ${showBytes(largestBytes)}`],
    isNote: count === 0,
    findings,
    facts: {
      documents: {
        count,
        isComplete,
        withUserId,
        userIdTypes: Object.fromEntries(types),
        largestBytes,
        maxDocumentBytes,
        overLimit,
        largest,
      },
    },
  }
}

/** Names the document only if it is over the limit, so that the ids of all others are not sent. */
function toRow({ userIdField, maxDocumentBytes }: DocumentsTarget): Document {
  const bytes = { $bsonSize: '$$ROOT' }
  const id = `$${userIdField}`
  return {
    _id: 0,
    type: { $cond: [{ $eq: [id, ''] }, EMPTY, { $type: id }] },
    bytes,
    id: { $cond: [{ $gt: [bytes, maxDocumentBytes] }, '$_id', '$$REMOVE'] },
  }
}

function toSummary(count: number, withUserId: number, userIdField: string): string {
  return `${showCount(count)}, ${showShare(withUserId, count)} with a usable "${userIdField}"`
}

function ofNobody(
  { collection, userIdField, hasToFieldValues }: DocumentsTarget,
  count: number,
  unusable: ReadonlyMap<string, number>,
): Finding {
  const total = [...unusable.values()].reduce((sum, n) => sum + n, 0)
  const found = hasToFieldValues
    ? { [userIdField]: { $nin: [null, ''], $not: { $type: 'array' } } }
    : { [userIdField]: { $type: USABLE_TYPES, $ne: '', $not: { $type: 'array' } } }
  const what = hasToFieldValues ? 'one value' : 'a text or an ObjectId'
  const message =
    `${showCount(total)} of ${showCountOf(count, 'document')} of ${collection.namespace} belong to no user. The type of ` +
    `"${userIdField}" there: ${showTally(unusable)}. Only a document with ${what} in this field is found. Correct or remove ` +
    `these documents. To find them: ${toCommand(collection.collectionName, { $nor: [found] })}`
  return { code: 'documents_of_nobody', message }
}

function tooLarge(
  { collection, maxDocumentBytes }: DocumentsTarget,
  overLimit: number,
  largest: readonly Oversized[],
): Finding {
  const named = largest.map(({ id, bytes }) => `${id} (${showBytes(bytes)})`).join(', ')
  const are = overLimit === 1 ? 'is' : 'are'
  const message =
    `${showCountOf(overLimit, 'document')} of ${collection.namespace} ${are} larger than maxDocumentBytes ` +
    `(${showBytes(maxDocumentBytes)}). A request of such a user is 500 custom_data_too_large. The largest by _id: ${named}. ` +
    'Make them smaller, give a "projection" that leaves large fields out, or raise maxDocumentBytes.'
  return { code: 'document_over_limit', message }
}

function toCommand(collectionName: string, filter: object): string {
  return `db.getCollection(${JSON.stringify(collectionName)}).find(${JSON.stringify(filter)})`
}

function showId(id: unknown): string {
  const text = JSON.stringify(id)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}
