import type { Collection } from 'mongodb'
import { asCustomUserDataError } from '../../errors.js'
import { createIndexCommand, findIndex, listIndexes, unhideIndexCommand } from '../../mongo/indexes.js'
import type { ListedIndex } from '../../mongo/indexes.js'
import { MARKED, refuseForeignDocuments } from '../../mongo/own-collection.js'
import type { OwnCollectionConfig, OwnIndex } from '../../mongo/own-collection.js'
import { withDeadline } from '../../util/deadline.js'
import type { Finding, SurveyLimits, SurveyResult } from './survey.js'

/** Looks at a collection of this package: whether it has its indexes, and no documents of the app. */
export async function surveyOwnCollection(
  collection: Collection,
  /** The name of the member in the JSON report. */
  factName: string,
  { indexes, optionName, missingIndexCode }: Omit<OwnCollectionConfig, 'timeoutMs'>,
  { timeoutMs }: SurveyLimits,
): Promise<SurveyResult> {
  const { collectionName } = collection
  const existing = await withDeadline(timeoutMs, () => listIndexes(collection))
  if (existing.length === 0) {
    const facts = { [factName]: { collection: collectionName, exists: false } }
    return { says: `${collectionName} does not exist yet`, isNote: true, findings: [], facts }
  }
  try {
    await refuseForeignDocuments(collection, { indexes, optionName, timeoutMs })
  } catch (error) {
    const ours = asCustomUserDataError(error)
    if (ours?.code !== 'foreign_collection') throw error
    // Another collection is needed, so the indexes of this one do not matter.
    return {
      says: `${collectionName} holds documents of your app`,
      findings: [{ code: 'foreign_collection', message: ours.message }],
      facts: { [factName]: { collection: collectionName, exists: true, isForeign: true } },
    }
  }
  const missing = indexes.flatMap(index => explainMissing(collection, index, existing))
  const findings: Finding[] = missing.map(message => ({ code: missingIndexCode, message }))
  const isWhole = missing.length === 0
  return {
    says: isWhole ? `${collectionName} has its indexes` : `${collectionName} lacks indexes`,
    findings,
    facts: { [factName]: { collection: collectionName, exists: true, missingIndexes: missing.length } },
  }
}

function explainMissing(
  { collectionName, namespace }: Collection,
  { fields, options }: OwnIndex,
  existing: readonly ListedIndex[],
): string[] {
  const wanted = { partialFilterExpression: MARKED, ...options }
  const same = findIndex(existing, fields, wanted)
  const name = `The index on "${fields.join(', ')}" of ${namespace}`
  if (same?.hidden === true) {
    return [
      `${name} is hidden, so MongoDB does not use it. Run: ${unhideIndexCommand(collectionName, same.name ?? '')}`,
    ]
  }
  if (same) return []
  const command = createIndexCommand(collectionName, fields, wanted)
  return [`${name} is missing. ready() makes it, if the database user may. Or run: ${command}`]
}
