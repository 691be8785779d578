/** The documents of `custom_user_data`: what handlers see of them is deeply read-only, and partial. */
export interface Profile {
  /** The user's id: the hex digits of the `_id` in `users`. */
  userId: string
  /** A language tag, as `en`. */
  language: string
  /** A name of the IANA time zone database. */
  timezone?: string
  dateOfBirth?: Date
  role: 'member' | 'admin'
  /** Written by the server after each login. */
  lastLogin?: Date
}
