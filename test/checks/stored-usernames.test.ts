import type { Collection } from 'mongodb'
import { expect, it } from 'vitest'
import { SetUpWarnings } from '../../lib/checks/set-up-warnings.js'
import { StoredUsernames } from '../../lib/checks/stored-usernames.js'
import { createEvents } from '../../lib/events.js'
import type { WarningEvent } from '../../lib/events.js'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()

/** Checks a users collection once, with a limit of 500 ms. */
async function warningsOf(open: () => Promise<Collection>): Promise<WarningEvent[]> {
  const events = createEvents()
  const warnings: WarningEvent[] = []
  events.emitter.on('warning', warning => warnings.push(warning))
  const names = new StoredUsernames()
  names.add({ open, collectionName: 'users', usernameField: 'email' })
  await names.check(500, new SetUpWarnings(events))
  await names.check(500, new SetUpWarnings(events))
  return warnings
}

it('says once that names were not checked if the search takes longer than its limit', async () => {
  // It never has a result, however fast the machine is.
  const warnings = await warningsOf(() => new Promise<Collection>(() => undefined))
  expect(warnings).toEqual([{ code: 'usernames_not_checked', message: expect.any(String) }])
  expect(warnings[0]!.message).toBe(
    'The names in the field "email" of the collection "users" could not be checked within 500 ms. With normalizeUsername: true a ' +
      'user whose stored name has capital letters or spaces around it may not be able to log in. Raise readyTimeoutMs, or find ' +
      'such names yourself: {"email":{"$regex":"^[\\\\s\\\\p{Z}\\\\x{FEFF}]|[\\\\s\\\\p{Z}\\\\x{FEFF}]$|[\\\\p{Lu}\\\\p{Lt}]"}}',
  )
})

it('gives the search the time limit of ready()', async () => {
  const userData = createTestUserData(database, { loadTimeoutMs: 7_000, readyTimeoutMs: 90_000 })
  const users = database.db.collection('users')
  userData.passwordCredentials({ collection: users, normalizeUsername: true })
  database.commands.clear()
  await userData.ready()
  const searches = database.commands.named('find').filter(({ command }) => command['find'] === 'users')
  expect(searches.map(({ command }) => command['maxTimeMS'] as unknown)).toEqual([90_000])
  await userData.close()
})
