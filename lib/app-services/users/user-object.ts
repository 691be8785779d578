import type { Identity, Metadata, ProviderType, StoredUser } from './stored-user.js'

/** `server`: the user has logged in by an API key. */
export type UserType = 'normal' | 'server'

/** A user as functions, rules and triggers get it. The names are those of App Services. */
export interface UserObject {
  /** The id of the user: 24 hex digits. */
  readonly id: string
  /** How the user has logged in. */
  readonly type: UserType
  /** What all identities tell about the user, as one object. */
  readonly data: Metadata
  /** The user's document; `{}` for a user without one. */
  readonly custom_data: Readonly<Record<string, unknown>>
  /** The ways in which the user can log in. */
  readonly identities: readonly Identity[]
}

/** Makes the object of a user. */
export function toUserObject(
  { _id, identities }: Pick<StoredUser, '_id' | 'identities'>,
  customData: object,
  type: UserType,
): UserObject {
  return {
    id: _id.toHexString(),
    type,
    data: mergeMetadata(identities),
    custom_data: customData as Readonly<Record<string, unknown>>,
    identities: identities.map(identity => ({ ...identity })),
  }
}

/** What all identities tell about a user. A later identity wins. */
export function mergeMetadata(identities: readonly Identity[]): Metadata {
  return Object.assign({}, ...identities.map(({ data }) => data)) as Metadata
}

/** The providers of a user, each once. */
export function providersOf(identities: readonly Identity[]): ProviderType[] {
  return [...new Set(identities.map(identity => identity.provider_type))]
}
