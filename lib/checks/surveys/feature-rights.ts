import type { Collection } from 'mongodb'
import { withDeadline } from '../../util/deadline.js'
import { FEATURE_RIGHTS, rightsOf } from '../feature-rights.js'
import type { Feature, RightsTarget } from '../feature-rights.js'
import { isGranted, readPrivileges } from '../rights.js'
import type { Privilege } from '../rights.js'
import type { Finding, SurveyLimits, SurveyResult } from './survey.js'

/** The collections that rights are looked for on. Without `users` nothing is said about passwords. */
export type RightsCollections = Readonly<Record<Exclude<RightsTarget, 'users'>, Collection>> &
  Readonly<Partial<Record<'users', Collection>>>

/** Compares the rights of the database user with the rights that each feature needs. */
export async function surveyRights(
  collections: RightsCollections,
  /** The features that are surely in use. A missing right of another feature is no finding. */
  inUse: readonly Feature[],
  { timeoutMs }: SurveyLimits,
): Promise<SurveyResult> {
  const privileges = await withDeadline(timeoutMs, signal => readPrivileges(collections.custom_data, signal))
  if (!privileges) {
    return {
      says: 'the server has no users, or does not tell their rights',
      isNote: true,
      findings: [],
      facts: { rights: null },
    }
  }
  const features = (Object.keys(FEATURE_RIGHTS) as Feature[]).filter(
    feature => collections.users !== undefined || !rightsOf(feature).some(([target]) => target === 'users'),
  )
  const missing = new Map(features.map(feature => [feature, missingOf(feature, collections, privileges)]))
  const granted = features.filter(feature => missing.get(feature)?.length === 0)
  const others = features.filter(feature => !granted.includes(feature))
  const findings = others
    .filter(feature => inUse.includes(feature))
    .map(feature => missingRight(feature, missing.get(feature) ?? []))
  const mayCreateIndex = isGranted(privileges, collections.custom_data, 'createIndex')
  return {
    says:
      others.length === 0
        ? 'enough for every feature'
        : `enough for ${granted.length === 0 ? 'nothing' : granted.join(', ')}`,
    lines: [
      ...(others.length === 0 ? [] : [`not for ${others.join(', ')}`]),
      ...(mayCreateIndex ? [] : ['not for making indexes']),
    ],
    findings,
    facts: { rights: { granted, missing: Object.fromEntries(others.map(one => [one, missing.get(one)])) } },
  }
}

/** The missing actions, as `insert on app.custom_user_data`. */
function missingOf(
  feature: Feature,
  collections: RightsCollections,
  privileges: readonly Privilege[],
): string[] {
  return rightsOf(feature).flatMap(([target, actions]) => {
    const collection = collections[target]
    if (!collection) return []
    return actions
      .filter(action => !isGranted(privileges, collection, action))
      .map(action => `${action} on ${collection.namespace}`)
  })
}

function missingRight(feature: Feature, missing: readonly string[]): Finding {
  const message =
    `The database user lacks rights that ${feature} needs: ${missing.join(', ')}. Grant them: docs/production.md of this ` +
    'package has a role for each feature.'
  return { code: 'database_right_missing', message }
}
