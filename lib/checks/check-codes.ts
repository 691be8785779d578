import type { WarningCode } from '../warnings.js'

/** The codes of the checks of the set-up. The other warnings tell of something that happened while the app ran. */
export const CHECK_CODES = [
  'bson_option_ignored',
  'clock_skew',
  'collection_is_view',
  'collection_missing',
  'database_right_missing',
  'duplicate_documents',
  'error_handler_missing',
  'guard_missing',
  'login_account_unknown',
  'login_address_unknown',
  'login_behind_guard',
  'preflight_refused',
  'proxy_header_unused',
  'user_id_field_missing',
  'user_id_never_found',
  'user_id_type_unusable',
  'user_id_types_mixed',
  'username_not_normalized',
  'usernames_not_checked',
] as const satisfies readonly WarningCode[]

/** The code of a check of the set-up, which the option `checks` can turn off. */
export type CheckCode = (typeof CHECK_CODES)[number]

/** `true` runs all checks, and `false` none. An object has `false` for each check that does not run. */
export type ChecksOption = boolean | Readonly<Partial<Record<CheckCode, boolean | undefined>>>
