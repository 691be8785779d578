export { createAppServices } from './create-app-services.js'
export type { AppServices } from './app-services.js'
export type { KnownEmailAccount } from './email-password/add-email-account.js'
export type {
  ConfirmationRequest,
  EmailPasswordDecision,
  EmailPasswordOptions,
  EmailToken,
  PasswordResetFunction,
  PasswordResetRequest,
} from './email-password/email-password-options.js'
export type { AppServicesOptions, DatabaseLike, ProviderOptions } from './options.js'
export type { CustomTokenOptions, MetadataField } from './providers/custom-token-options.js'
export type { AllowedClientOrigins } from './router/cors.js'
export type { TriggerEvent, TriggerOperation, TriggerOptions } from './triggers/triggers.js'
export type { Identity, Metadata, ProviderType } from './users/stored-user.js'
export type { UserObject, UserType } from './users/user-object.js'
export { AppServicesError } from './wire/errors.js'
export type { AppServicesErrorCode } from './wire/errors.js'
