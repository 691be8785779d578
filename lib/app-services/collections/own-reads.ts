import { parsePipeline } from './client-pipelines.js'
import { checkSort, requireReadable, toFilter, toView } from './own-access.js'
import type { OwnAccess } from './own-access.js'
import type { PlainObject } from '../wire/values.js'

/** The document as a list, as `find()` of the client reads it. */
export async function find(
  access: OwnAccess,
  { query, project, sort }: PlainObject,
): Promise<readonly PlainObject[]> {
  const document = await findOne(access, { query, project, sort })
  return document ? [document] : []
}

/** The document; `null` if it does not match. */
export async function findOne(
  access: OwnAccess,
  { query, project, sort }: PlainObject,
): Promise<PlainObject | null> {
  requireReadable(access)
  const filter = toFilter(access, query)
  const view = toView(access, project)
  checkSort(access, sort)
  const document = await access.document.find(filter)
  return document ? view(document) : null
}

/** How many documents match: one or none. */
export async function count(access: OwnAccess, { query }: PlainObject): Promise<number> {
  requireReadable(access)
  return (await access.document.find(toFilter(access, query))) ? 1 : 0
}

/** Runs a pipeline over the one document. */
export async function aggregate(
  access: OwnAccess,
  { pipeline }: PlainObject,
): Promise<readonly PlainObject[]> {
  requireReadable(access)
  const { filters, sorts, projection, skips, countAs } = parsePipeline(pipeline)
  const view = toView(access, projection)
  const $and = filters.map(filter => toFilter(access, filter))
  for (const sort of sorts) checkSort(access, sort)
  const found = await access.document.find($and.length > 0 ? { $and } : {})
  if (!found || skips) return []
  return countAs === undefined ? [view(found)] : [{ [countAs]: 1 }]
}
