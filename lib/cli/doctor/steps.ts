import type { Collection } from 'mongodb'
import type { Check, CheckTarget } from '../../checks/check.js'
import { checkCollectionName } from '../../checks/collection-name.js'
import { checkDuplicateDocuments } from '../../checks/duplicate-documents.js'
import type { Feature } from '../../checks/feature-rights.js'
import { surveyClock } from '../../checks/surveys/clock.js'
import { surveyDatabase } from '../../checks/surveys/database.js'
import { surveyDocuments } from '../../checks/surveys/documents.js'
import { surveyRights } from '../../checks/surveys/feature-rights.js'
import { showShare } from '../../checks/surveys/in-words.js'
import { surveyOwnCollection } from '../../checks/surveys/own-collection.js'
import { surveyPasswordHashes } from '../../checks/surveys/password-hashes.js'
import { surveyServer } from '../../checks/surveys/server.js'
import type { Finding, SurveyLimits, SurveyResult } from '../../checks/surveys/survey.js'
import { makeUserIdIndex, surveyUserIdIndex } from '../../checks/surveys/user-id-index.js'
import { surveyUsernames, surveyUsers } from '../../checks/surveys/users.js'
import { checkUserIdField } from '../../checks/user-id-field.js'
import { checkMixedUserIds, checkUserIdType } from '../../checks/user-id-type.js'
import { checkView } from '../../checks/view.js'
import { LOGIN_ATTEMPT_COLLECTION } from '../../login/attempt-documents.js'
import { LOGIN_ATTEMPT_INDEXES } from '../../login/attempt-store.js'
import { SESSION_COLLECTION, SESSION_INDEXES } from '../../sessions/session-collection.js'
import type { Clock } from '../../util/clock.js'
import { withDeadline } from '../../util/deadline.js'
import type { Connection } from './connect.js'
import type { DoctorOptions } from './options.js'
import type { Report } from './report.js'

/** One row of the table. */
export interface Step {
  readonly name: string
  /** The report has the results of the checks before. */
  readonly run: (limits: SurveyLimits, report: Report) => Promise<SurveyResult>
  /** Whether it is skipped, by what the report has so far. */
  readonly isSkipped?: (report: Report) => boolean
  /** Whether nobody asked for it, so that a missing right to look is no finding. */
  readonly isOptional?: boolean
}

/** The checks of a database, in the order of the table. */
export function createSteps(connection: Connection, options: DoctorOptions, clock: Clock): Step[] {
  const { db, hosts, isDatabaseNamed } = connection
  const { userIdField, hasToFieldValues, uniqueUserId, maxDocumentBytes } = options
  const collection = db.collection(options.collection)
  const sessions = db.collection(options.sessions ?? SESSION_COLLECTION)
  const loginAttempts = db.collection(options.loginAttempts ?? LOGIN_ATTEMPT_COLLECTION)
  const users = options.users === undefined ? undefined : db.collection(options.users)
  const target: CheckTarget = {
    db,
    collection,
    userIdField,
    hasToFieldValues,
    ownCollections: [sessions.collectionName, loginAttempts.collectionName],
    clock,
  }
  const rights = { custom_data: collection, sessions, login_attempts: loginAttempts, ...(users && { users }) }
  const indexTarget = { collection, userIdField, uniqueUserId }
  const isView = (report: Report) => has(report, 'collection_is_view')
  const isEmpty = ({ facts }: Report) => (facts['documents'] as { count?: number } | undefined)?.count === 0
  const ofServer: Step[] = [
    { name: 'server', run: limits => surveyServer(db, hosts, limits) },
    { name: 'clock', run: limits => surveyClock(target, limits) },
    { name: 'rights', run: limits => surveyRights(rights, featuresInUse(options), limits) },
    { name: 'database', run: limits => surveyDatabase({ db, isNamed: isDatabaseNamed }, limits) },
  ]
  const ofDatabase: Step[] = [
    { name: 'collection', run: limits => lookAtCollection(target, limits) },
    {
      name: 'user id index',
      run: limits =>
        options.createsIndex ? makeUserIdIndex(indexTarget, limits) : surveyUserIdIndex(indexTarget, limits),
      isSkipped: isView,
    },
    { name: 'documents', run: limits => surveyDocuments({ ...target, maxDocumentBytes }, limits) },
    {
      name: 'user ids',
      run: async (limits, report) => {
        const result = await runAll(
          [checkUserIdField, checkUserIdType, checkMixedUserIds],
          target,
          limits,
          '',
        )
        return result.findings.length > 0 ? result : { ...result, ...usableShare(report) }
      },
      isSkipped: isEmpty,
    },
    {
      name: 'duplicates',
      run: limits => runAll([checkDuplicateDocuments], target, limits, 'one document for each user id'),
      isSkipped: isEmpty,
    },
    {
      name: 'sessions',
      run: limits =>
        surveyOwnCollection(
          sessions,
          'sessions',
          {
            indexes: SESSION_INDEXES,
            optionName: 'sessionCollection',
            missingIndexCode: 'session_index_missing',
          },
          limits,
        ),
      isOptional: options.sessions === undefined,
    },
    {
      name: 'login attempts',
      run: limits =>
        surveyOwnCollection(
          loginAttempts,
          'loginAttempts',
          {
            indexes: LOGIN_ATTEMPT_INDEXES,
            optionName: 'loginAttemptCollection',
            missingIndexCode: 'login_attempt_index_missing',
          },
          limits,
        ),
      isOptional: options.loginAttempts === undefined,
    },
    ...(users ? stepsOfUsers(users, options) : []),
  ]
  return [...ofServer, ...ofDatabase.map(skipWithoutDatabase)]
}

/** A mistyped database has no collections, so everything else that could be found follows from that. */
function skipWithoutDatabase(step: Step): Step {
  return {
    ...step,
    isSkipped: report => has(report, 'database_missing') || step.isSkipped?.(report) === true,
  }
}

function stepsOfUsers(collection: Collection, { usernameField, hashField }: DoctorOptions): Step[] {
  const target = { collection, usernameField, hashField }
  const hasNone = (report: Report) => has(report, 'users_missing')
  return [
    { name: 'users', run: limits => surveyUsers(target, limits) },
    {
      name: 'user names',
      run: limits => surveyUsernames(target, limits),
      isSkipped: report => hasNone(report) || has(report, 'username_field_missing'),
    },
    { name: 'password hashes', run: limits => surveyPasswordHashes(target, limits), isSkipped: hasNone },
  ]
}

/** A missing right is a finding for each feature whose collection was named. */
function featuresInUse({ sessions, loginAttempts, users }: DoctorOptions): Feature[] {
  return [
    'each load',
    ...(sessions === undefined ? [] : (['login()', 'refresh()', 'logout()'] as const)),
    ...(loginAttempts === undefined ? [] : (['loginThrottle'] as const)),
    ...(users === undefined ? [] : (['passwordCredentials()'] as const)),
  ]
}

/** Whether the collection exists under this name, and is no view. */
async function lookAtCollection(target: CheckTarget, limits: SurveyLimits): Promise<SurveyResult> {
  const { db, collection } = target
  const { namespace, collectionName } = collection
  const result = await runAll([checkCollectionName, checkView], target, limits, namespace)
  const listed = await withDeadline(limits.timeoutMs, () =>
    db.listCollections({ name: collectionName }, { nameOnly: true, authorizedCollections: true }).toArray(),
  )
  const exists = listed.length > 0
  const findings: Finding[] = [...result.findings]
  if (!exists && findings.length === 0) {
    const message =
      `There is no collection ${namespace}, so no user has custom data. If your app is new, this ends with the first document. ` +
      'Otherwise correct --collection or --database.'
    findings.push({ code: 'collection_missing', message, severity: 'warning' })
  }
  const says = exists ? namespace : `${namespace} does not exist`
  return { says, findings, facts: { collection: { namespace, exists } } }
}

/** Runs the checks that `ready()` runs too. */
async function runAll(
  checks: readonly Check[],
  target: CheckTarget,
  { timeoutMs }: SurveyLimits,
  says: string,
): Promise<SurveyResult> {
  const findings: Finding[] = []
  for (const check of checks) {
    findings.push(...(await withDeadline(timeoutMs, signal => check(target, { timeoutMs, signal }))))
  }
  const words = findings.map(({ code }) => IN_WORDS[code] ?? code)
  return { says: findings.length === 0 ? says : words.join(', '), findings, facts: {} }
}

/** What the table says for a finding of a check that has no words of its own. */
const IN_WORDS: Readonly<Partial<Record<Finding['code'], string>>> = {
  user_id_field_missing: 'in no document',
  user_id_type_unusable: 'of no usable type',
  user_id_types_mixed: 'some texts, some ObjectIds',
  duplicate_documents: 'several documents for one user id',
}

/** The checks of the user ids look at single documents, but the documents before were all counted. */
function usableShare({ facts }: Report): Pick<SurveyResult, 'says' | 'isNote'> {
  const counted = facts['documents'] as { readonly count: number; readonly withUserId: number } | undefined
  if (!counted) return { says: 'at least one of a usable type', isNote: true }
  const { count, withUserId } = counted
  if (withUserId === count) return { says: 'of a usable type' }
  return { says: `${showShare(withUserId, count)} of a usable type`, isNote: true }
}

function has({ findings }: Report, code: Finding['code']): boolean {
  return findings.some(finding => finding.code === code)
}
