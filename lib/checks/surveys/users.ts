import type { Collection, Document } from 'mongodb'
import { listIndexes } from '../../mongo/indexes.js'
import type { ListedIndex } from '../../mongo/indexes.js'
import { nearestName } from '../../util/nearest-name.js'
import { PLAIN_BSON } from '../../mongo/team-database.js'
import { withDeadline } from '../../util/deadline.js'
import { findOddUsernames } from '../stored-usernames.js'
import type { Finding, SurveyLimits, SurveyResult } from './survey.js'

export interface UsersTarget {
  readonly collection: Collection
  readonly usernameField: string
  readonly hashField: string
}

/** Looks whether there are users with names. If this finds a problem, their hashes are not worth a look. */
export async function surveyUsers(
  { collection, usernameField }: UsersTarget,
  { timeoutMs }: SurveyLimits,
): Promise<SurveyResult> {
  const { namespace } = collection
  const factsOf = (exist: boolean) => ({ users: { collection: namespace, exist } })
  const look = (filter: Document) =>
    withDeadline(timeoutMs, signal => lookAtOne(collection, filter, timeoutMs, signal))
  const anyone = await look({})
  if (!anyone) {
    const message =
      `The collection ${namespace} does not exist, or has no documents, so nobody can log in with a password. Correct ` +
      '--users or --database. If your app is new, this ends with the first user.'
    return { says: 'none', findings: [{ code: 'users_missing', message }], facts: factsOf(false) }
  }
  if (!(await look({ [usernameField]: { $type: 'string' } }))) {
    const message = `No user in ${namespace} has a text in "${usernameField}", so nobody can log in. ${adviseOnField(
      usernameField,
      anyone,
      ['--username-field', 'usernameField'],
    )}`
    return {
      says: 'without names',
      findings: [{ code: 'username_field_missing', message }],
      facts: factsOf(true),
    }
  }
  return { says: `have names in "${usernameField}"`, findings: [], facts: factsOf(true) }
}

/** Says which field was probably meant, or which fields there are. */
export function adviseOnField(
  field: string,
  fields: readonly string[],
  [argument, option]: readonly [string, string],
): string {
  const nearest = nearestName(field, fields)
  if (nearest !== undefined) return `Write ${argument} ${nearest}, and ${option}: ${JSON.stringify(nearest)}.`
  const named = fields.slice(0, 10).map(name => `"${name}"`)
  return `Give the field by ${argument}. A user has the fields ${named.join(', ')}.`
}

/** The names of the fields of one document; `undefined` if there is none. No value is sent. */
export async function lookAtOne(
  collection: Collection,
  filter: Document,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  const fields = { $map: { input: { $objectToArray: '$$ROOT' }, in: '$$this.k' } }
  const pipeline = [{ $match: filter }, { $limit: 1 }, { $project: { _id: 0, fields } }]
  const options = { ...PLAIN_BSON, readPreference: 'primary', maxTimeMS: timeoutMs, signal } as const
  const [found] = await collection.aggregate<{ readonly fields: string[] }>(pipeline, options).toArray()
  return found?.fields
}

/** Looks for stored names that a login does not find, and for the index that keeps names unique. */
export async function surveyUsernames(
  { collection, usernameField }: UsersTarget,
  { timeoutMs }: SurveyLimits,
): Promise<SurveyResult> {
  const odd = await withDeadline(timeoutMs, signal =>
    findOddUsernames(collection, usernameField, { timeoutMs, signal }),
  )
  const index = judgeIndex(
    collection,
    usernameField,
    await withDeadline(timeoutMs, () => listIndexes(collection)),
  )
  return {
    says: odd.length > 0 ? 'some are not normalized' : 'all are normalized',
    lines: [index ? 'no unique index' : 'a unique index'],
    findings: [...odd, ...(index ? [index] : [])],
    facts: { usernames: { field: usernameField, areNormalized: odd.length === 0, hasUniqueIndex: !index } },
  }
}

/** A unique index on more fields allows one name twice, and a partial one leaves users out. */
function judgeIndex(
  { collectionName, namespace }: Collection,
  usernameField: string,
  all: readonly ListedIndex[],
): Finding | undefined {
  const keepsUnique = ({ key, unique, hidden, partialFilterExpression, name }: ListedIndex): boolean =>
    Object.keys(key).join() === usernameField &&
    (unique === true || name === '_id_') &&
    hidden !== true &&
    (partialFilterExpression === undefined || isForAllNames(partialFilterExpression, usernameField))
  if (all.some(keepsUnique)) return undefined
  const command =
    `db.getCollection(${JSON.stringify(collectionName)}).createIndex(` +
    `${JSON.stringify({ [usernameField]: 1 })}, { unique: true })`
  const message =
    `No unique index on "${usernameField}" of ${namespace} prevents two users with the same name, for example if somebody ` +
    `registers twice at the same moment. Run: ${command}`
  return { code: 'username_index_missing', message }
}

function isForAllNames(filter: Document, usernameField: string): boolean {
  const text = JSON.stringify(filter)
  return [{ $exists: true }, { $type: 'string' }].some(
    all => text === JSON.stringify({ [usernameField]: all }),
  )
}
