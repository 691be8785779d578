/** The codes of the event `warning`. The comments are the entries of docs/reference/events.md. */
interface Warnings {
  /**
   * Your client has an option such as `useBigInt64`, which does not change custom data.
   * @remedy Write the types of custom data as the message says.
   */
  bson_option_ignored: true
  /**
   * The server or the connection pool allows no change stream.
   * @remedy Run a replica set, grant the right that the message names, or raise `maxPoolSize`. Otherwise write
   * `changeStreams: 'off'`.
   */
  change_stream_unavailable: true
  /**
   * The collection is a view. A view has no index, and nobody can write to it.
   * @remedy Give the collection that the view reads.
   */
  collection_is_view: true
  /**
   * The clock of this process and the clock of MongoDB differ by more than `clockToleranceSeconds`, and by more than 5
   * seconds.
   * @remedy Synchronize the clocks of both machines with a time server.
   */
  clock_skew: true
  /**
   * The database has no collection of this name.
   * @remedy Correct the name, or create the collection.
   */
  collection_missing: true
  /**
   * A browser may not keep the cookie of a login, or a token is too long for a cookie.
   * @remedy Make the change that the message names.
   */
  cookie_not_kept: true
  /**
   * The database user lacks a right that a feature in use needs.
   * @remedy Grant the right that the message names, or remove that feature.
   */
  database_right_missing: true
  /**
   * `decoyHash` has another cost than the hashes of users, so response times show which users exist.
   * @remedy Make `decoyHash` with the cost that most hashes have.
   */
  decoy_hash_differs: true
  /**
   * Several documents have the same user id. The document that was inserted first is used.
   * @remedy Remove the other documents of the users that the message names.
   */
  duplicate_documents: true
  /**
   * No error handler ends the errors of this package, so Express answers them with an HTML page.
   * @remedy Write `app.use(userData.errorHandler())` below all routes.
   */
  error_handler_missing: true
  /**
   * The collection of sessions or of login attempts holds documents of your app.
   * @remedy Give an empty collection as `sessionCollection` or `loginAttemptCollection`.
   */
  foreign_collection: true
  /**
   * `allow()`, `ownData()`, `ownSessions()` or `logoutAll()` has no guard of the same instance before it.
   * @remedy Mount `authenticate()`, `strategy()` or `attach()` above it.
   */
  guard_missing: true
  /**
   * A trusted issuer publishes keys that are weak or cannot be used.
   * @remedy Ask the issuer to replace them.
   */
  key_ignored: true
  /**
   * Logins name no account in `email` or `username`, or two different ones, so failures of an account are not
   * counted.
   * @remedy Give the option `account` to `login()`.
   */
  login_account_unknown: true
  /**
   * A login has no address, so only the account is throttled.
   * @remedy Give `address` to `authenticateLogin()`, or set `trust proxy` if the app listens on a Unix socket.
   */
  login_address_unknown: true
  /**
   * A guard stands above `login()` or `refresh()`, so it refuses every login or refresh.
   * @remedy Mount the route above the guard.
   */
  login_behind_guard: true
  /**
   * The index that removes old counts of failed logins is missing.
   * @remedy Run the command in the message.
   */
  login_attempt_index_missing: true
  /**
   * MongoDB did not answer, so some counts of failed logins stay too high until their window ends.
   * @remedy Nothing.
   */
  login_attempts_not_corrected: true
  /**
   * A password hash could not be replaced by a stronger one.
   * @remedy Check that the database user may update the collection of users.
   */
  password_hash_not_upgraded: true
  /**
   * A stored hash is no argon2 hash, or the field holds no hash.
   * @remedy Give `verifyPassword` for hashes of another kind, or correct `hashField`.
   */
  password_hash_unreadable: true
  /**
   * The guard refused a preflight request of a browser, which never has a token.
   * @remedy Mount `cors()` before the guard.
   */
  preflight_refused: true
  /**
   * Requests have a header of a proxy, and Express does not read it. So all clients seem to have one address, and share the
   * limits of logins and refresh tokens.
   * @remedy Set `trust proxy` if the app is behind a proxy.
   */
  proxy_header_unused: true
  /**
   * The client is connected to one member of a replica set, which is not the primary.
   * @remedy Remove `directConnection=true` from the connection string, and name the replica set in it.
   */
  server_not_primary: true
  /**
   * An index on sessions is missing.
   * @remedy Run the command in the message.
   */
  session_index_missing: true
  /**
   * A session beyond `maxSessionsPerUser` could not be ended.
   * @remedy Nothing: the next login tries it again.
   */
  session_limit_failed: true
  /**
   * Documents of ended sessions could not be removed, and stay stored until they expire. After a login: the session
   * that it replaces did not end.
   * @remedy After `deleteSessions()` call it again. Otherwise nothing.
   */
  session_not_removed: true
  /**
   * An index could not be made after the first request, or MongoDB refuses a look at the documents.
   * @remedy Read the message, which has the cause.
   */
  set_up_failed: true
  /**
   * No document has the user id field.
   * @remedy Give the field that holds the user's id as `userIdField`.
   */
  user_id_field_missing: true
  /**
   * Duplicates prevent the unique index on the user id field.
   * @remedy Remove the duplicates, and run the command in the message.
   */
  user_id_index_conflict: true
  /**
   * The index on the user id field is missing, so each load reads the whole collection.
   * @remedy Wait until the index is made again, or run the command in the message.
   */
  user_id_index_missing: true
  /**
   * Users have ids that no document has, and documents have these ids in another spelling, or ids of another kind.
   * @remedy Write the ids of tokens and documents in one form, as the message says.
   */
  user_id_never_found: true
  /**
   * The stored user ids are neither texts nor ObjectIds.
   * @remedy Give `toFieldValues`, which converts an id to stored values.
   */
  user_id_type_unusable: true
  /**
   * Some user ids are stored as texts and others as ObjectIds. New documents get texts.
   * @remedy Convert the ids to one type, or give `toFieldValues` with the type of new ids first.
   */
  user_id_types_mixed: true
  /**
   * Stored names are not normalized, so their users cannot log in.
   * @remedy Normalize the names that the query in the message finds.
   */
  username_not_normalized: true
  /**
   * `ready()` could not look for stored user names that `normalizeUsername` would change, because the time was over.
   * @remedy Create an index on the field of the user names, or give `readyTimeoutMs` more time.
   */
  usernames_not_checked: true
}

/** The code of a warning, which stays the same across versions. docs/reference/events.md says what to do about each code. */
export type WarningCode = keyof Warnings
