import * as v from 'valibot'
import { checkOptions, membersOf } from '../check-options.js'
import type { Parts } from '../parts.js'
import { AppServicesError } from '../wire/errors.js'
import type { Metadata } from './stored-user.js'
import type { KnownIdentity } from './known-identity.js'

const MAX_ID_LENGTH = 1_000
const ID = `write the id of the user at the provider, a text of 1 to ${MAX_ID_LENGTH} characters`

const schema = membersOf({
  userId: v.custom<string>(
    value => typeof value === 'string' && /^[0-9a-f]{24}$/.test(value),
    'write the 24 hex digits of the user id, in lower case',
  ),
  providerType: v.picklist(
    ['custom-token', 'custom-function'],
    'write "custom-token" or "custom-function"; for email accounts call addEmailAccount()',
  ),
  id: v.custom<string>(
    value =>
      typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH && value.isWellFormed(),
    ID,
  ),
  data: v.optional(
    v.custom<Metadata>(
      value => typeof value === 'object' && value !== null && !Array.isArray(value),
      'write an object, such as { email }',
    ),
    {},
  ),
})

/**
 * Gives a user an identity, and creates the user if there is none.
 * @throws OptionError, AppServicesError `AccountNameInUse`, `LimitExceeded`, `UserNotFound`
 */
export async function addIdentity(given: KnownIdentity, { users }: Pick<Parts, 'users'>): Promise<void> {
  const { userId, ...identity } = checkOptions('addIdentity()', schema, given)
  if (await users.insert(userId, [identity])) return
  switch (await users.addIdentity(userId, identity)) {
    case 'added':
      return
    case 'full':
      throw new AppServicesError('LimitExceeded', 'the user has too many identities', { status: 400 })
    case 'taken':
      throw isTaken()
    case 'gone': {
      // Another user has the identity. Otherwise a login or a deletion is not finished.
      if (await users.findByIdentity(identity.providerType, identity.id)) throw isTaken()
      throw new AppServicesError('UserNotFound', 'the user is being created or deleted')
    }
  }
}

function isTaken(): AppServicesError {
  return new AppServicesError('AccountNameInUse', 'another user has this identity')
}
