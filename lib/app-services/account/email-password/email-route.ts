import type { Route } from '../../router/routes.js'

/** The paths of email accounts, below the path of their provider. */
export const EMAIL_PATHS = [
  'register',
  'confirm',
  'confirm/send',
  'confirm/call',
  'reset',
  'reset/send',
  'reset/call',
] as const

/** Creates one route of email accounts. */
export function emailRoute(path: (typeof EMAIL_PATHS)[number], handle: Route['handle']): Route {
  return { method: 'post', base: 'app', path: `/auth/providers/local-userpass/${path}`, handle }
}
