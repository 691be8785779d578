import { refused, wrongArgument } from './collection-errors.js'
import { showName } from './client-filters.js'
import { isPlainObject, toNumber } from '../wire/values.js'
import type { PlainObject } from '../wire/values.js'

/** A pipeline over at most one document, as a query. */
export interface ClientPipeline {
  /** The filters of all `$match` stages. */
  readonly filters: readonly unknown[]
  /** The sorts of all `$sort` stages. */
  readonly sorts: readonly unknown[]
  readonly projection: unknown
  /** Whether a `$skip` leaves out the document. */
  readonly skips: boolean
  /** The field that `$count` names. */
  readonly countAs: string | undefined
}

const STAGES = '$match, $sort, $skip, $limit, $project, $unset and $count'

/**
 * Parses the pipeline of a client. Only stages are supported that stay inside of the one document; `$lookup`, `$unionWith`,
 * `$out` and others would leave it.
 *
 * @throws AppServicesError `MongoDBError` or `InvalidParameter`
 */
export function parsePipeline(pipeline: unknown): ClientPipeline {
  if (!Array.isArray(pipeline)) throw wrongArgument('the pipeline must be a list of stages')
  const parsed = {
    filters: [] as unknown[],
    sorts: [] as unknown[],
    projection: undefined as unknown,
    skips: false,
  }
  let countAs: string | undefined
  for (const stage of pipeline as unknown[]) {
    const { name, value } = parseStage(stage)
    if (countAs !== undefined) throw refused('$count must be the last stage of the pipeline')
    const isAfterProjection =
      parsed.projection !== undefined && ['$match', '$sort', '$project', '$unset'].includes(name)
    if (isAfterProjection) throw refused(`${name} is not supported after $project or $unset`)
    switch (name) {
      case '$match':
        parsed.filters.push(value)
        break
      case '$sort':
        parsed.sorts.push(value)
        break
      case '$skip':
        parsed.skips ||= toCount(name, value, 0) > 0
        break
      case '$limit':
        toCount(name, value, 1)
        break
      case '$project':
        parsed.projection = value
        break
      case '$unset':
        parsed.projection = toExclusion(value)
        break
      case '$count':
        countAs = toFieldName(value)
        break
      default:
        throw refused(`the stage ${showName(name)} is not supported; supported are ${STAGES}`)
    }
  }
  return { ...parsed, countAs }
}

function parseStage(stage: unknown): { readonly name: string; readonly value: unknown } {
  const [entry, ...others] = isPlainObject(stage) ? Object.entries(stage) : []
  if (!entry || others.length > 0)
    throw wrongArgument('a stage of a pipeline must be an object with one member')
  const [name, value] = entry
  return { name, value }
}

function toCount(name: string, value: unknown, least: number): number {
  const number = toNumber(value)
  if (!Number.isSafeInteger(number) || number < least)
    throw refused(`${name} needs a whole number that is ${least} at least`)
  return number
}

function toExclusion(value: unknown): PlainObject {
  const paths = Array.isArray(value) ? (value as unknown[]) : [value]
  if (!paths.every(path => typeof path === 'string')) throw refused('$unset needs a path or a list of paths')
  return Object.fromEntries(paths.map(path => [path, false]))
}

function toFieldName(value: unknown): string {
  if (typeof value !== 'string' || !/^[^.$\0][^.\0]*$/.test(value) || value === '__proto__')
    throw refused('$count needs the name of a field')
  return value
}
