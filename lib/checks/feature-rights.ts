/** A collection that rights are needed on. `users`: the collection that the team gave to `passwordCredentials()`. */
export type RightsTarget = 'custom_data' | 'sessions' | 'login_attempts' | 'users'

/** An action of MongoDB that is needed on a collection. */
export type NeededAction = 'find' | 'listIndexes' | 'insert' | 'update' | 'remove' | 'changeStream'

type Needs = Readonly<Partial<Record<RightsTarget, readonly NeededAction[]>>>

/**
 * The actions that each feature needs, by the collection. The names are options and methods, which warnings show. The guide
 * docs/production.md has a role for each of them.
 */
export const FEATURE_RIGHTS = {
  'each load': { custom_data: ['find', 'listIndexes'] },
  createCustomData: { custom_data: ['insert'] },
  changeStreams: { custom_data: ['changeStream'], sessions: ['changeStream'] },
  'ownData()': { custom_data: ['find', 'update'] },
  'ownData({ upsert })': { custom_data: ['insert'] },
  'the check for revoked sessions': { sessions: ['find'] },
  'login()': { sessions: ['find', 'insert', 'update', 'remove'] },
  loginThrottle: { login_attempts: ['find', 'insert', 'update'] },
  'refresh()': { sessions: ['find', 'update'] },
  'logout()': { sessions: ['find', 'update'] },
  'logoutAll()': { sessions: ['find', 'insert', 'update'] },
  'ownSessions()': { sessions: ['find', 'update'] },
  'passwordCredentials()': { users: ['find'] },
  'passwordCredentials({ upgradeHashes })': { users: ['update'] },
} as const satisfies Record<string, Needs>

/** An option or a method that needs rights. */
export type Feature = keyof typeof FEATURE_RIGHTS

/** The actions that a feature needs, each with its collection. */
export function rightsOf(feature: Feature): [RightsTarget, readonly NeededAction[]][] {
  return Object.entries(FEATURE_RIGHTS[feature] satisfies Needs) as [RightsTarget, readonly NeededAction[]][]
}
