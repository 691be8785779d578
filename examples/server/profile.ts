/** The type of the documents in `custom_user_data`. Handlers get it deeply read-only and partial. */
export interface Profile {
  /** The user's id: the hex digits of the `_id` in `users`. */
  userId: string
  /** A language tag, such as `en`. */
  language: string
  /** A name from the IANA time zone database. */
  timezone?: string
  dateOfBirth?: Date
  role: 'member' | 'admin'
  /** Written by the server after each login. */
  lastLogin?: Date
}
