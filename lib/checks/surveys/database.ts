import type { Db } from 'mongodb'
import { isUnauthorized } from '../../mongo/database-errors.js'
import { PLAIN_BSON } from '../../mongo/team-database.js'
import { withDeadline } from '../../util/deadline.js'
import { nearestName } from '../../util/nearest-name.js'
import type { Finding, SurveyLimits, SurveyResult } from './survey.js'

/** The databases of MongoDB itself. */
const OF_MONGODB = ['admin', 'config', 'local']
/** The most databases that a row names. */
const MAX_NAMED = 5
/** Names whose lengths differ more are no typing mistakes of each other: `shop` and `shop_staging`. */
const MAX_DIFFERENCE = 2

export interface DatabaseTarget {
  readonly db: Db
  /** Whether the address or an option names the database. Otherwise the driver takes `test`. */
  readonly isNamed: boolean
}

/**
 * Looks whether the database was named, and whether it exists. A new app has none before its first document, so a missing
 * database is a problem only if another has nearly its name.
 */
export async function surveyDatabase(
  { db, isNamed }: DatabaseTarget,
  { timeoutMs }: SurveyLimits,
): Promise<SurveyResult> {
  const { databaseName } = db
  const names = await listDatabases(db, timeoutMs)
  const exists = names?.includes(databaseName)
  const others = (names ?? []).filter(name => !OF_MONGODB.includes(name))
  const findings: Finding[] = isNamed ? [] : [notNamed(databaseName)]
  const nearest = isNamed && exists === false ? nearestDatabase(databaseName, others) : undefined
  if (nearest !== undefined) findings.push(missing(databaseName, nearest))
  return {
    says: toSummary(databaseName, exists),
    lines: exists === false && others.length > 0 ? [toList(others)] : [],
    isNote: exists !== true,
    findings,
    facts: { database: { name: databaseName, isNamed, exists: exists ?? null } },
  }
}

/** The databases that the database user may see; `undefined` if the server does not tell. */
async function listDatabases(db: Db, timeoutMs: number): Promise<string[] | undefined> {
  const command = { listDatabases: 1, nameOnly: true, authorizedDatabases: true }
  try {
    const { databases } = await withDeadline(timeoutMs, signal =>
      db.admin().command(command, { ...PLAIN_BSON, readPreference: 'primary', signal }),
    )
    return (databases as { readonly name: string }[]).map(({ name }) => name)
  } catch (error) {
    if (isUnauthorized(error)) return undefined
    throw error
  }
}

/** MongoDB refuses a database whose name differs from another only in case, so such a name is surely a mistake. */
function nearestDatabase(name: string, others: readonly string[]): string | undefined {
  const inOtherCase = others.find(other => other.toLowerCase() === name.toLowerCase())
  const candidates = others.filter(
    other =>
      Math.abs(other.length - name.length) <= MAX_DIFFERENCE &&
      withoutNumbers(other) !== withoutNumbers(name),
  )
  return inOtherCase ?? nearestName(name, candidates)
}

function withoutNumbers(name: string): string {
  return name.replaceAll(/[_-]?\d+/g, '')
}

function notNamed(name: string): Finding {
  const message =
    `The address names no database, so the driver's default "${name}" is used. Add it to the address, ` +
    'mongodb://host:port/name, or write --database.'
  return { code: 'database_not_named', message }
}

function missing(name: string, nearest: string): Finding {
  const message =
    `There is no database "${name}", or the database user may not see it. Did you mean "${nearest}"? Correct the address, or ` +
    `write --database ${nearest}. If "${name}" is new, create its first collection.`
  return { code: 'database_missing', message }
}

function toSummary(name: string, exists: boolean | undefined): string {
  if (exists === undefined) return `"${name}"; the server does not tell whether it exists`
  return exists ? `"${name}"` : `"${name}" does not exist, or the database user may not see it`
}

function toList(names: readonly string[]): string {
  const named = names.slice(0, MAX_NAMED).map(name => `"${name}"`)
  return `databases here: ${named.join(', ')}${names.length > MAX_NAMED ? ' and others' : ''}`
}
