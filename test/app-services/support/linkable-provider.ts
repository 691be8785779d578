import type { TestDatabase } from '../../support/database.js'
import { startRealmService } from './realm-service.js'
import type { RealmService, RealmServiceOptions } from './realm-service.js'

/** The password of everybody, for `Credentials.function({ name, password })`. */
export const PASSWORD = 'correct horse'

type Verify = (name: string, password: string) => Promise<{ readonly name: string } | null>

/** Starts a service with a custom function: `Credentials.function({ name, password })` is the identity `name`. */
export async function startLinkService(
  database: Pick<TestDatabase, 'db'>,
  options: RealmServiceOptions = {},
  verify: Verify = (name, password) => Promise.resolve(password === PASSWORD ? { name } : null),
): Promise<RealmService> {
  const customFunction = {
    account: ({ name }: Readonly<Record<string, unknown>>) => `test:${String(name)}`,
    async handler({ name, password }: Readonly<Record<string, unknown>>) {
      const verified = await verify(String(name), String(password))
      return verified && { id: verified.name, name: verified.name }
    },
  }
  const { service } = options
  const providers = { anonymous: true, ...service?.providers, customFunction }
  return startRealmService(database, { ...options, service: { ...service, providers } })
}
