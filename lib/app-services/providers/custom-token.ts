import type { CustomUserData } from '../../index.js'
import { CustomUserDataError } from '../../index.js'
import type { Metadata } from '../users/stored-user.js'
import { requireText } from '../wire/body-members.js'
import { AppServicesError } from '../wire/errors.js'
import type { CustomTokenConfig } from './custom-token-options.js'
import type { Provider } from './provider.js'

/** The longest value of metadata, as in App Services. */
const MAX_VALUE_LENGTH = 4_096
const MAX_TOKEN_LENGTH = 1_000_000

type Claims = Readonly<Record<string, unknown>>

/**
 * Creates the provider of custom JWTs. The subject of the token is the id of the user at the other service, so the same
 * subject is the same user at each login.
 */
export function customTokenProvider(
  config: CustomTokenConfig,
  { userData, appId }: { readonly userData: CustomUserData<object>; readonly appId: string },
): Provider {
  const { requireAnyAudience, metadataFields, verifier } = config
  const audience = config.audience ?? [appId]
  const verifyToken = userData.tokenVerifier({ ...verifier, audience })

  return {
    type: 'custom-token',
    userType: 'normal',
    isLinkable: true,
    refusal: 'the token is not valid',
    read({ body }) {
      const token = requireText(body, 'token', MAX_TOKEN_LENGTH)
      return {
        async verify() {
          const claims: Claims & { readonly sub: string } = await verifyToken(token).catch(
            (error: unknown) => {
              throw withReason(error)
            },
          )
          if (!requireAnyAudience && !hasAll(claims['aud'], audience)) return null
          return { providerType: 'custom-token', id: claims.sub, data: metadataOf(claims, metadataFields) }
        },
      }
    },
  }
}

/** Tells the client why its token was refused: it is the token of the team's own service. */
function withReason(error: unknown): unknown {
  if (!(error instanceof CustomUserDataError) || error.code !== 'invalid_token') return error
  return new AppServicesError('AuthError', error.message, { cause: error })
}

function hasAll(aud: unknown, audience: readonly string[]): boolean {
  const found: unknown[] = Array.isArray(aud) ? aud : [aud]
  return audience.every(one => found.includes(one))
}

function metadataOf(claims: Claims, fields: CustomTokenConfig['metadataFields']): Metadata {
  const data: Record<string, unknown> = {}
  for (const { names, name, required } of fields) {
    const value = claimAt(claims, names)
    if (value === undefined || value === null) {
      if (required) throw new AppServicesError('AuthError', `the token has no ${names.join('.')}`)
      continue
    }
    if (JSON.stringify(value).length > MAX_VALUE_LENGTH)
      throw new AppServicesError('AuthError', `${names.join('.')} of the token is too long`)
    data[name] = value
  }
  return data
}

function claimAt(claims: Claims, names: readonly string[]): unknown {
  return names.reduce<unknown>((holder, name) => {
    const isObject = typeof holder === 'object' && holder !== null && !Array.isArray(holder)
    return isObject && Object.hasOwn(holder, name) ? (holder as Claims)[name] : undefined
  }, claims)
}
