export { createAppServices } from './create-app-services.js'
export type { AppServices } from './app-services.js'
export type { KnownEmailAccount } from './account/email-password/known-email-account.js'
export type {
  ConfirmationRequest,
  EmailPasswordDecision,
  EmailPasswordOptions,
  EmailToken,
  PasswordResetFunction,
  PasswordResetRequest,
} from './account/email-password/email-password-options.js'
export type { AppServicesOptions, DatabaseLike, ProviderOptions } from './options.js'
export type {
  CollectionHandler,
  CollectionHandlers,
  CollectionsOptions,
  CustomDataOptions,
} from './collections/collections-options.js'
export type { OperationName } from './collections/operation-arguments.js'
export type {
  FunctionContext,
  FunctionHandler,
  FunctionsOptions,
  GuardedFunction,
} from './functions/functions-options.js'
export type { CustomTokenOptions, MetadataField } from './providers/custom-token-options.js'
export type { AllowedClientOrigins } from './router/cors.js'
export type {
  CustomFunction,
  CustomFunctionOptions,
  CustomFunctionResult,
  ExternalId,
  RecognisedUser,
} from './providers/custom-function-options.js'
export type { TriggerEvent, TriggerOperation, TriggerOptions } from './triggers/trigger-options.js'
export type { CollectionRole, CollectionRules, FieldRule } from './rules/rules-options.js'
export type { KnownIdentity } from './users/known-identity.js'
export type { Identity, Metadata, ProviderType } from './users/stored-user.js'
export type { UserObject, UserType } from './users/user-object.js'
export { AppServicesError } from './wire/errors.js'
export type { RequestOrigin } from './wire/request-facts.js'
export type { AppServicesErrorCode } from './wire/errors.js'
