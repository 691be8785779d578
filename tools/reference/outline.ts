/** Which exported names stand on which page, and in which order. The texts of the entries are doc comments in `lib/`. */

export interface OptionGroup {
  readonly title: string
  readonly names: readonly string[]
}

/** The options of `createCustomUserData()`. Each option is in one group. */
export const OPTION_GROUPS: readonly OptionGroup[] = [
  {
    title: 'The collection and its documents',
    names: [
      'collection',
      'userIdField',
      'toFieldValues',
      'projection',
      'schema',
      'requireDocument',
      'uniqueUserId',
      'maxDocumentBytes',
      'extendedJson',
      'bson',
    ],
  },
  {
    title: 'Access tokens that you issue',
    names: ['secret', 'keys', 'issuer', 'audience', 'clientId', 'accessTokenTtlSeconds', 'userDataInToken'],
  },
  {
    title: 'Which tokens are accepted',
    names: ['trustedIssuers', 'clockToleranceSeconds', 'maxTokenLength', 'tokenPlaces', 'realm'],
  },
  {
    title: 'How old data may be',
    names: ['snapshotTtlMs', 'changeStreams', 'changeStreamTimeoutMs', 'maxSnapshots', 'maxSnapshotBytes'],
  },
  {
    title: 'Sessions and refresh tokens',
    names: [
      'refreshTokenTtlSeconds',
      'refreshTokenIdleSeconds',
      'rotateRefreshTokens',
      'reuseToleranceSeconds',
      'maxSessionsPerUser',
      'sessionCheckIntervalMs',
      'sessionCollection',
      'sessionSecrets',
      'refreshTokenField',
    ],
  },
  {
    title: 'Cookies and browsers',
    names: ['accessTokenTransport', 'refreshTokenTransport', 'allowedOrigins', 'cacheControl'],
  },
  {
    title: 'Logins',
    names: ['loginThrottle', 'loginAttemptCollection', 'accountsInEvents', 'hooks'],
  },
  {
    title: 'Limits of time and load',
    names: [
      'loadTimeoutMs',
      'readyTimeoutMs',
      'sessionTimeoutMs',
      'writeTimeoutMs',
      'verifyCredentialsTimeoutMs',
      'maxConcurrentLoads',
      'clock',
    ],
  },
  { title: 'Checks of the set-up', names: ['checks'] },
]

/** What the tables say of options that are required only in some cases. */
export const REQUIRED: Readonly<Record<string, string>> = {
  secret: 'required to issue tokens, unless you give `keys`',
  keys: 'required to issue tokens, unless you give `secret`',
  issuer: 'required to issue tokens',
  audience: 'required to issue tokens',
}

export interface OptionSection {
  readonly title: string
  readonly type: string
}

/** Options of methods, and objects that are options. A title of a method has the anchor to which its errors point. */
export const OPTION_SECTIONS: readonly OptionSection[] = [
  { title: 'authenticate()', type: 'AuthenticateOptions' },
  { title: 'attach()', type: 'AttachOptions' },
  { title: 'allow()', type: 'AllowOptions' },
  { title: 'verifyToken()', type: 'MaxAgeOption' },
  { title: 'errorHandler()', type: 'ErrorHandlerOptions' },
  { title: 'login()', type: 'LoginOptions' },
  { title: 'refresh()', type: 'RefreshOptions' },
  { title: 'logout()', type: 'LogoutOptions' },
  { title: 'authenticateLogin()', type: 'AuthenticateLoginOptions' },
  { title: 'exchangeRefreshToken()', type: 'RefreshTokenClient' },
  { title: 'endSession()', type: 'RefreshTokenClient' },
  { title: 'issueTokens()', type: 'IssueTokensWithCookiesOptions' },
  { title: 'passwordCredentials()', type: 'PasswordCredentialsOptions' },
  { title: 'tokenVerifier()', type: 'TokenVerifierOptions' },
  { title: 'ownData()', type: 'OwnDataOptions' },
  { title: 'hashPassword()', type: 'PasswordTextOptions' },
  { title: 'compileRule()', type: 'RuleFacts' },
  { title: 'countAttempt()', type: 'AttemptToCount' },
  { title: 'reissue()', type: 'SessionOfUser' },
  { title: 'forUser().find()', type: 'FindOptions' },
  { title: 'forUser().update()', type: 'UpdateOptions' },
  { title: 'forUser().replace()', type: 'WriteOptions' },
  { title: 'forUser().delete()', type: 'DeleteOptions' },
  { title: 'storedAbout()', type: 'StoredDataOptions' },
  { title: 'eraseUser()', type: 'StoredDataOptions' },
  { title: 'addTrustedIssuer()', type: 'TrustedIssuer' },
  { title: 'replaceKeys()', type: 'KeyOptions' },
  { title: 'The option userDataInToken', type: 'UserDataInTokenOptions' },
  { title: 'The option tokenPlaces', type: 'TokenPlaces' },
  { title: 'The option accessTokenTransport', type: 'AccessCookieOptions' },
  { title: 'The option refreshTokenTransport', type: 'RefreshCookieOptions' },
  { title: 'The option loginThrottle', type: 'LoginThrottleOptions' },
  { title: 'The option hooks', type: 'Hooks' },
]

export interface FunctionGroup {
  readonly title: string
  readonly names: readonly string[]
}

/** The members of an instance. */
export const FUNCTION_GROUPS: readonly FunctionGroup[] = [
  {
    title: 'Guards',
    names: ['authenticate', 'attach', 'allow', 'strategy', 'errorHandler', 'reportFailure'],
  },
  {
    title: 'The user of a request',
    names: ['user', 'userIfAny', 'refreshCustomData', 'snapshotAgeMs', 'verifyToken'],
  },
  {
    title: 'Routes',
    names: ['login', 'refresh', 'logout', 'logoutAll', 'ownSessions', 'ownData', 'jwks'],
  },
  {
    title: 'Logins of your own',
    names: [
      'passwordCredentials',
      'tokenVerifier',
      'issueTokens',
      'sessionOf',
      'reissue',
      'authenticateLogin',
      'exchangeRefreshToken',
      'endSession',
      'countAttempt',
    ],
  },
  { title: 'Documents', names: ['forUser', 'invalidate', 'bson'] },
  {
    title: 'Sessions and users',
    names: [
      'sessions',
      'revoke',
      'disable',
      'enable',
      'deleteSessions',
      'storedAbout',
      'eraseUser',
      'forgetFailedLogins',
      'accountDigest',
    ],
  },
  { title: 'Keys and issuers', names: ['replaceKeys', 'addTrustedIssuer', 'removeTrustedIssuer'] },
  { title: 'The life of an instance', names: ['ready', 'close', 'stats', 'settings', 'events'] },
]

/** Functions that the package exports besides the instance. */
export const PACKAGE_FUNCTIONS = [
  'createCustomUserData',
  'hashPassword',
  'errorResponse',
  'compileRule',
  'refusalReason',
  'isPassingDatabaseError',
] as const

/** Exported types that other pages explain. */
export const EXPLAINED: Readonly<Record<string, string>> = {
  CustomUserData: 'functions.md',
  CustomUserDataEmitter: 'events.md',
  CustomUserDataError: 'errors.md',
  CustomUserDataOptions: 'options.md#createcustomuserdata',
  ErrorCode: 'errors.md',
  OptionError: 'errors.md#invalid_option',
  UserDocument: 'functions.md#foruser',
  WarningCode: 'events.md#warnings',
}

/** What `express-custom-user-data/testing` exports, in the order of its page. */
export const TESTING_FUNCTIONS = ['createTestUserData', 'tokenFor', 'asUser', 'createTestClock'] as const
export const TESTING_TYPES = ['TestUserDataOptions', 'TestClock'] as const

/** The options of `express-custom-user-data/app-services`, in the order of their sections. Its other types follow them. */
export const APP_SERVICES_OPTIONS: readonly OptionSection[] = [
  { title: 'Options of createAppServices()', type: 'AppServicesOptions' },
  { title: 'The option providers', type: 'ProviderOptions' },
  { title: 'The option providers.emailPassword', type: 'EmailPasswordOptions' },
  { title: 'The option providers.customToken', type: 'CustomTokenOptions' },
  { title: 'An entry of the option metadataFields', type: 'MetadataField' },
  { title: 'The option providers.customFunction', type: 'CustomFunctionOptions' },
  { title: 'An entry of the option functions', type: 'GuardedFunction' },
  { title: 'The option customData', type: 'CustomDataOptions' },
  { title: 'The option customData.rules', type: 'CollectionRules' },
  { title: 'A role of the rules', type: 'CollectionRole' },
  { title: 'A rule of a field', type: 'FieldRule' },
  { title: 'An entry of the option triggers', type: 'TriggerOptions' },
  { title: 'Options of addEmailAccount()', type: 'KnownEmailAccount' },
]
