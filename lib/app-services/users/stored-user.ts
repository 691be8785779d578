import type { ObjectId } from 'mongodb'

/** The ways to log in, by the names that App Services gave them. */
export const PROVIDER_TYPES = [
  'anon-user',
  'local-userpass',
  'api-key',
  'custom-token',
  'custom-function',
] as const

/** A way to log in. */
export type ProviderType = (typeof PROVIDER_TYPES)[number]

/** Facts that a provider tells about a user, such as `{ email }`. */
export type Metadata = Readonly<Record<string, unknown>>

/** One way in which a user can log in. A provider and an id belong to one user at most. */
export interface Identity {
  /** The id that the provider gives the user, for example the subject of a custom JWT. */
  readonly id: string
  /** The provider of the identity. */
  readonly provider_type: ProviderType
  /** What the provider tells about the user. */
  readonly data: Metadata
}

/** A user as stored. */
export interface StoredUser {
  /** The user's id. Clients get its 24 hex digits. */
  readonly _id: ObjectId
  readonly expressCustomUserData: 'app_services_user'
  readonly identities: readonly Identity[]
  /** When the user was created. `null` while the creation function runs: the user does not exist yet. */
  readonly createdAt: Date | null
  /** When the user logged in or refreshed last, exact to a day. */
  readonly lastSeenAt: Date
  /** When an anonymous user ends. Absent for users who can log in again. */
  readonly expiresAt?: Date
  /** When the deletion of the user began. The user cannot log in any more. */
  readonly deletedAt?: Date
}

/** An identity that a provider has verified. */
export interface VerifiedIdentity {
  readonly providerType: ProviderType
  readonly id: string
  /** What the provider knows about the user now. It replaces what is stored. */
  readonly data: Metadata
}

/** Whether a stored identity is the verified one. */
export function isIdentity(own: Identity, { providerType, id }: VerifiedIdentity): boolean {
  return own.provider_type === providerType && own.id === id
}

/** The identity as it is stored. */
export function toIdentity({ providerType, id, data }: VerifiedIdentity): Identity {
  return { id, provider_type: providerType, data }
}

/** Selects the user of an identity. */
export function ofIdentity(providerType: ProviderType, id: string): object {
  return { identities: { $elemMatch: { provider_type: providerType, id } } }
}
