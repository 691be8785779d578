import { jsonAnswer } from '../wire/answers.js'
import type { Parts } from '../parts.js'
import type { Route } from './routes.js'

/**
 * Creates the route that tells clients where the service is. The address comes from the option `hostname` alone, because a
 * stranger could put another one into a header. realm-web reads `hostname`; the native clients need all four members.
 */
export function locationRoute({ config }: Pick<Parts, 'config'>): Route {
  const { hostname, location } = config
  const answer = jsonAnswer({
    deployment_model: 'LOCAL',
    location,
    hostname,
    ws_hostname: hostname.replace(/^http/, 'ws'),
  })
  return { method: 'get', base: 'app', path: '/location', handle: () => answer }
}
