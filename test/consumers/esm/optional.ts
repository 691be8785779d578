// With `exactOptionalPropertyTypes` apps write `maxAgeMs: isAdmin ? 0 : undefined`, so each optional member must take `undefined`.
import type {
  AccessCookieOptions,
  AllowOptions,
  AttachOptions,
  AuthenticateLoginOptions,
  AuthenticateOptions,
  CustomUserDataOptions,
  ErrorHandlerOptions,
  Hooks,
  IssueTokensOptions,
  IssueTokensWithCookiesOptions,
  KeyOptions,
  LoginOptions,
  LoginThrottleOptions,
  LogoutOptions,
  MaxAgeOption,
  OptionsWithoutKeys,
  OwnDataOptions,
  PasswordCredentialsOptions,
  PasswordTextOptions,
  RefreshCookieOptions,
  RefreshOptions,
  RefreshTokenClient,
  StoredDataOptions,
  TokenCookieOptions,
  TokenPlaces,
  TrustedIssuer,
  UserDataInTokenOptions,
  VerifyCredentials,
  WriteOptions,
} from 'express-custom-user-data'
import type { TestUserDataOptions } from 'express-custom-user-data/testing'
import type { Profile } from './profile.js'

type IsOptional<Options, Name extends keyof Options> =
  Record<never, never> extends Pick<Options, Name> ? true : false
type TakesUndefined<Options, Name extends keyof Options> =
  Record<Name, undefined> extends Pick<Options, Name> ? true : false

/** The optional members of a type that do not take `undefined`. */
type Refusing<Options> = Options extends unknown
  ? {
      [Name in keyof Options]-?: IsOptional<Options, Name> extends true
        ? TakesUndefined<Options, Name> extends true
          ? never
          : Name
        : never
    }[keyof Options]
  : never

interface Example {
  taken?: string | undefined
  refused?: string
}
export const example: Refusing<Example> = 'refused'

type RefusingOptions =
  | Refusing<CustomUserDataOptions<Profile>>
  | Refusing<OptionsWithoutKeys<Profile>>
  | Refusing<TestUserDataOptions<Profile>>
  | Refusing<AccessCookieOptions>
  | Refusing<AllowOptions>
  | Refusing<AttachOptions>
  | Refusing<AuthenticateLoginOptions<object>>
  | Refusing<AuthenticateOptions>
  | Refusing<ErrorHandlerOptions>
  | Refusing<Hooks>
  | Refusing<IssueTokensOptions>
  | Refusing<IssueTokensWithCookiesOptions>
  | Refusing<KeyOptions>
  | Refusing<LoginOptions<object, Profile>>
  | Refusing<LoginThrottleOptions>
  | Refusing<LogoutOptions>
  | Refusing<MaxAgeOption>
  | Refusing<OwnDataOptions<Profile>>
  | Refusing<PasswordCredentialsOptions>
  | Refusing<PasswordTextOptions>
  | Refusing<RefreshCookieOptions>
  | Refusing<RefreshOptions<Profile>>
  | Refusing<RefreshTokenClient>
  | Refusing<StoredDataOptions>
  | Refusing<TokenCookieOptions>
  | Refusing<TokenPlaces>
  | Refusing<TrustedIssuer>
  | Refusing<UserDataInTokenOptions>
  | Refusing<VerifyCredentials>
  | Refusing<WriteOptions>

/** If a member refuses `undefined`, the error names it: its property is missing here. */
export const refusing: Record<RefusingOptions, 'takes no undefined'> = {}
