import type { Parts } from '../../parts.js'
import type { Route } from '../../router/routes.js'
import { providerIsOff } from '../../providers/provider.js'
import { confirmRoutes } from './confirm.js'
import { EMAIL_PATHS, emailRoute } from './email-route.js'
import { registerRoute } from './register.js'
import { callResetRoute } from './reset-call.js'
import { resetRoute, sendResetRoute } from './reset.js'

/**
 * Creates the routes of email accounts. If the provider is off, they answer 404. Requests to them carry the access token of whoever is
 * logged in. It is not verified, because a user whose session has ended must be able to register and to reset a password.
 */
export function emailPasswordRoutes(parts: Parts): Route[] {
  const { emailPassword } = parts.config.providers
  if (!emailPassword) return EMAIL_PATHS.map(path => emailRoute(path, refuse))
  return [
    registerRoute(emailPassword, parts),
    ...confirmRoutes(emailPassword, parts),
    sendResetRoute(emailPassword, parts),
    resetRoute(parts),
    callResetRoute(emailPassword, parts),
  ]
}

function refuse(): never {
  throw providerIsOff()
}
