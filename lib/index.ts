export { createCustomUserData } from './create-custom-user-data.js'
export type { CustomUserData, InstanceSettings } from './instance.js'
export type { CustomUserDataOptions, OptionsWithoutKeys, UserDataInTokenOptions } from './options/options.js'
export { CustomUserDataError, OptionError } from './errors.js'
export type { ErrorCode } from './errors.js'
export type {
  ChangeStreamEvent,
  CustomUserDataEmitter,
  CustomUserDataEvents,
  HookFailedEvent,
  KeySetFailedEvent,
  LoadFailedEvent,
  RequestFailedEvent,
  SnapshotLeftOutEvent,
  WarningEvent,
} from './events.js'
export type {
  FieldsRefusedEvent,
  LoginRefusedEvent,
  RefreshRefusedEvent,
  ReplayedEvent,
  RevokedBy,
  RevokedEvent,
  SessionEndedEvent,
  SessionEndRefusedEvent,
  SessionEvent,
  SessionFromAddressEvent,
  ThrottledEvent,
  WrittenEvent,
} from './audit-events.js'
export type { ChannelMessages, LoadMessage } from './channels.js'
export type { Stats } from './metrics.js'
export type { RequestFailedMessage, OperationMessage, OperationName } from './operations.js'
export { refusalReason } from './refusals.js'
export type { RefusalReason } from './refusals.js'
export type { CheckCode, ChecksOption } from './checks/check-codes.js'
export type { WarningCode } from './warnings.js'
export type { Clock, Timed } from './util/clock.js'
export type { Algorithm } from './access-tokens/algorithms.js'
export type { ForeignTokenClaims, TokenProfile } from './access-tokens/claims.js'
export type { TokenVerifierOptions, VerifyForeignToken } from './access-tokens/foreign-tokens.js'
export type { Jwk, KeyOptions } from './access-tokens/keys.js'
export type { TrustedIssuer } from './access-tokens/trusted-issuers.js'
export type { AllowOptions, GuardPredicate, GuardRule } from './authenticate/allow.js'
export type { AttachOptions } from './authenticate/attach.js'
export type { ErrorHandlerOptions } from './authenticate/error-handler.js'
export { errorResponse } from './authenticate/error-response.js'
export type { ErrorResponse, ProblemDetails } from './authenticate/error-response.js'
export type { Guard } from './authenticate/guard.js'
export type { AuthenticateOptions, MaxAgeOption } from './authenticate/middleware.js'
export type { PassportStrategy } from './authenticate/strategy.js'
export type { AllowedOrigins } from './authenticate/request-origin.js'
export type { TokenOfRequest, TokenPlaces } from './authenticate/token-places.js'
export { isPassingDatabaseError } from './mongo/database-errors.js'
export { hashPassword } from './login/argon2.js'
export type { PasswordCredentials, PasswordCredentialsOptions } from './login/password-credentials.js'
export type { AuthenticateLoginOptions, RefreshTokenClient } from './login/without-request.js'
export type { VerifyPassword } from './login/password-check.js'
export type { PasswordTextOptions, UnicodeNormalization } from './login/password-text.js'
export type { ClientProjection } from './token-data/client-projection.js'
export type { ExtendedJsonFormat } from './token-data/extended-json.js'
export type { WriteCounts } from './writing/document-writes.js'
export type {
  DeleteOptions,
  DocumentFilter,
  FindOptions,
  UpdateOperators,
  UpdateOptions,
  WatchOptions,
  WriteOptions,
} from './writing/document-options.js'
export type { UserDocument } from './writing/for-user.js'
export type { DocumentChange, DocumentChanges } from './snapshots/document-changes.js'
export type { ToFieldValues } from './documents/user-documents.js'
export type { IndexStates } from './checks/set-up.js'
export type { ChangeStreamStates } from './mongo/change-feeds.js'
export type { FeedState } from './mongo/change-stream.js'
export type { CollectionLike } from './mongo/collection-like.js'
export { compileRule } from './rules/checked-rule.js'
export type { Rule, RuleExpression } from './rules/compile.js'
export type { RequestFacts, RuleFacts } from './rules/expansions.js'
export type { Scalar, VerifiedUser, VerifyCredentials, VerifyOutcome } from './login/credentials.js'
export type { Hooks } from './login/hooks.js'
export type { OwnDataOptions } from './routes/own-data-options.js'
export type { LogoutOptions, RefreshOptions } from './routes/refresh-and-logout.js'
export type { LoginOptions } from './routes/login.js'
export type { AccessCookieOptions } from './routes/access-transport.js'
export type { RefreshCookieOptions } from './routes/refresh-cookie.js'
export type { CookieIdentity, TokenCookieOptions } from './util/cookies.js'
export type { SessionClaims, SessionOrigin } from './sessions/session-document.js'
export type { SessionOwner } from './sessions/refresh-exchange.js'
export type { AttemptToCount, CountedAttempt } from './login/count-attempt.js'
export type { SessionInfo } from './sessions/sessions.js'
export type { LoginThrottleOptions } from './login/login-throttle.js'
export type {
  IssueTokensOptions,
  IssueTokensWithCookiesOptions,
  SessionOfUser,
} from './login/issue-tokens-options.js'
export type { ErasedUser, StoredData, StoredDataOptions, StoredFailedLogins } from './login/stored-data.js'
export type { StoredSession } from './sessions/stored-sessions.js'
export type { StoredRecord } from './sessions/user-records.js'
export type {
  AccessTokenClaims,
  AccessTokenAnswer,
  AnswerTokens,
  AuthenticatedUser,
  CustomDataOf,
  CustomUserDataTypes,
  DeepReadonly,
  DefaultDocument,
  TokenAnswer,
} from './types.js'
