import type { Collection } from 'mongodb'
import { asCustomUserDataError } from '../../errors.js'
import { createUserIdIndex, findUserIdIndex } from '../../documents/user-id-index.js'
import { listIndexes } from '../../mongo/indexes.js'
import { withDeadline } from '../../util/deadline.js'
import type { WarningEvent } from '../../events.js'
import type { Finding, SurveyLimits, SurveyResult } from './survey.js'

export interface UserIdIndexTarget {
  readonly collection: Collection
  readonly userIdField: string
  readonly uniqueUserId: boolean
}

/** Looks for the index that loads use. Makes nothing. */
export async function surveyUserIdIndex(
  target: UserIdIndexTarget,
  { timeoutMs }: SurveyLimits,
): Promise<SurveyResult> {
  const { collection, userIdField, uniqueUserId } = target
  const all = await withDeadline(timeoutMs, () => listIndexes(collection))
  const facts = (name?: string, isUnique = false) => ({ userIdIndex: { name: name ?? null, isUnique } })
  // Every collection that exists has an index.
  if (all.length === 0) {
    const says = 'none, because the collection does not exist yet'
    return { says, isNote: true, findings: [], facts: facts() }
  }
  const { name, isUnique, command } = findUserIdIndex(collection, target, all)
  if (name !== undefined && (isUnique || !uniqueUserId)) {
    return { says: `"${name}"${isUnique ? ', unique' : ''}`, findings: [], facts: facts(name, isUnique) }
  }
  const message =
    name === undefined
      ? `There is no usable index on "${userIdField}" of ${collection.namespace}, so each load reads the whole collection. ` +
        `ready() makes it, if the database user may. Or add --create-index to this command, or run: ${command}`
      : `The index "${name}" on "${userIdField}" of ${collection.namespace} is not unique, so a user can get a second ` +
        `document. ready() with uniqueUserId: true makes a unique one. Or add --create-index to this command, or run: ${command}`
  const says = name === undefined ? 'missing' : `"${name}", not unique`
  return { says, findings: [{ code: 'user_id_index_missing', message }], facts: facts(name, isUnique) }
}

/** Makes the index as `ready()` does, and says what was done. Building it has no time limit. */
export async function makeUserIdIndex(
  target: UserIdIndexTarget,
  limits: SurveyLimits,
): Promise<SurveyResult> {
  const before = await surveyUserIdIndex(target, limits)
  if (before.findings.length === 0) return before
  const warnings: WarningEvent[] = []
  const index = createUserIdIndex(
    { ...target, loadTimeoutMs: limits.timeoutMs },
    { warn: warning => warnings.push(warning) },
  )
  try {
    await index.ensure(target.collection, { timeoutMs: limits.timeoutMs, createsCollection: false })
  } catch (error) {
    const ours = asCustomUserDataError(error)
    if (ours?.code !== 'user_id_index_conflict') throw error
    return { ...before, findings: [{ code: ours.code, message: ours.message }] }
  }
  const after = await surveyUserIdIndex(target, limits)
  if (after.findings.length === 0) {
    return { ...after, says: `${after.says}, made now`, facts: { ...after.facts, madeIndex: true } }
  }
  const why = warnings.map(({ code, message }): Finding => ({ code, message }))
  return { ...after, findings: why.length > 0 ? why : after.findings }
}
