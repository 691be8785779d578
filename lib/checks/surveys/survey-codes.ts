import type { WarningCode } from '../../warnings.js'

/** `problem`: some users get errors, wrong data or no data, or attackers can use a weakness. `warning`: all others. */
export type Severity = 'problem' | 'warning'

/** The codes of findings that are no warnings of an instance. The comments are the entries of docs/reference/doctor.md. */
export const SURVEY_CODES = {
  /**
   * MongoDB did not answer, or refused the connection. The message has the reason that the driver gives.
   * @remedy Do what the message says about this reason.
   */
  connection_failed: 'problem',
  /**
   * The address names no database, so the driver takes `test`.
   * @remedy Add the database to the address, or write `--database`.
   */
  database_not_named: 'warning',
  /**
   * The database does not exist, or the database user may not see it, and another one has nearly this name. Without such
   * a name a missing database is only a note, because a new app has none before its first document.
   * @remedy Correct the address or `--database`.
   */
  database_missing: 'problem',
  /**
   * No `mongodb` can be loaded from the current folder.
   * @remedy Run the command in the folder of your app, after `npm install`.
   */
  driver_missing: 'problem',
  /**
   * The driver of the app is too old for this package.
   * @remedy Install the version that the message names.
   */
  driver_too_old: 'problem',
  /**
   * The server is older than MongoDB 4.4, which this package needs.
   * @remedy Upgrade the server.
   */
  server_too_old: 'problem',
  /**
   * MongoDB no longer publishes fixes for the version of the server.
   * @remedy Plan an upgrade of the server.
   */
  server_end_of_life: 'warning',
  /**
   * The address in `--uri` has a password. Every user of the machine can see it in the list of processes.
   * @remedy Give the address by the variable `MONGODB_URI` or by standard input.
   */
  password_in_arguments: 'warning',
  /**
   * A check did not reach its end, so nothing is known about its subject. This is a problem, because a command that has
   * not looked must not succeed.
   * @remedy Give more time by `--timeout-ms`, or grant the right that the message names.
   */
  not_checked: 'problem',
  /**
   * Some documents belong to no user: they have no id, an id of an unusable type, or a list of ids.
   * @remedy Correct or remove the documents that the query in the message finds.
   */
  documents_of_nobody: 'warning',
  /**
   * Some documents are larger than `maxDocumentBytes`. Each load of them is 500 `custom_data_too_large`.
   * @remedy Make them smaller, give a `projection`, or raise `maxDocumentBytes`.
   */
  document_over_limit: 'problem',
  /**
   * The collection of users does not exist, or is empty.
   * @remedy Correct `--users` or `--database`.
   */
  users_missing: 'problem',
  /**
   * No user has a text in the field of the user names.
   * @remedy Correct `--username-field`, and `usernameField` of `passwordCredentials()`.
   */
  username_field_missing: 'problem',
  /**
   * No unique index on the field of the user names prevents two users with one name.
   * @remedy Run the command in the message.
   */
  username_index_missing: 'warning',
  /**
   * No user has a text in the field of the password hashes.
   * @remedy Correct `--hash-field`, and `hashField` of `passwordCredentials()`.
   */
  hash_field_missing: 'problem',
  /**
   * Users have hashes that attackers break within hours, such as MD5 or SHA-256.
   * @remedy Let these users set a new password, or wrap the old hashes by argon2.
   */
  password_hash_unsafe: 'problem',
  /**
   * Users have hashes of a good kind that are too cheap to compute.
   * @remedy Write `upgradeHashes: true` of `passwordCredentials()`.
   */
  password_hash_weak: 'warning',
  /**
   * A variable that should hold a secret is not set.
   * @remedy Set it, or correct its name in `--secret-env`.
   */
  secret_not_set: 'problem',
  /**
   * A secret is short, publicly known or easy to guess.
   * @remedy Make a random one by the command in the message.
   */
  secret_weak: 'problem',
} as const satisfies Record<string, Severity>

/** The code of a finding of a survey alone. */
export type SurveyCode = keyof typeof SURVEY_CODES

/** The warnings of an instance that mean wrong data, errors or no data for some users. */
const PROBLEMS: readonly string[] = [
  'collection_is_view',
  'collection_missing',
  'database_right_missing',
  'duplicate_documents',
  'foreign_collection',
  'server_not_primary',
  'user_id_field_missing',
  'user_id_index_conflict',
  'user_id_type_unusable',
] satisfies WarningCode[]

/** How bad a finding with this code usually is. */
export function severityOf(code: WarningCode | SurveyCode): Severity {
  if (code in SURVEY_CODES) return SURVEY_CODES[code as SurveyCode]
  return PROBLEMS.includes(code) ? 'problem' : 'warning'
}

/** Whether docs/reference/doctor.md explains a code. docs/reference/events.md explains the others. */
export function isSurveyCode(code: string): code is SurveyCode {
  return Object.hasOwn(SURVEY_CODES, code)
}
