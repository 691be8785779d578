import * as v from 'valibot'
import { hashPassword, OptionError } from '../../../index.js'
import { checkOptions, membersOf } from '../../check-options.js'
import { isId } from '../../ids.js'
import type { Parts } from '../../parts.js'
import { AppServicesError } from '../../wire/errors.js'
import { isEmail, normalizeEmail, passwordFault } from './email-input.js'
import type { KnownEmailAccount } from './known-email-account.js'

const CALLEE = 'addEmailAccount()'

const schema = membersOf({
  email: v.custom<string>(
    value => typeof value === 'string' && isEmail(normalizeEmail(value)),
    'write an email address',
  ),
  password: v.optional(
    v.custom<string>(
      value => typeof value === 'string' && passwordFault(value) === undefined,
      'write a password of 6 to 128 characters',
    ),
  ),
  userId: v.optional(
    v.custom<string>(
      value => typeof value === 'string' && isId(value),
      'write the 24 hex digits of the user id, in lower case',
    ),
  ),
})

/** Adds an account of the team. */
export async function addEmailAccount(given: KnownEmailAccount, parts: Parts): Promise<void> {
  if (!parts.config.providers.emailPassword)
    throw new OptionError(`${CALLEE}: the provider is off. Give createAppServices() providers.emailPassword.`)
  const { password, userId, ...rest } = checkOptions(CALLEE, schema, given)
  const email = normalizeEmail(rest.email)
  const passwordHash = password === undefined ? undefined : await hashPassword(password)
  // The user comes first: an account without it would let its first login create another user.
  const undo = userId === undefined ? undefined : await giveIdentity(userId, email, parts)
  // The account of a known user has the id of the user, so that a repeated call finds the identity of the first.
  const account = await parts.emailAccounts.insert({
    email,
    accountId: userId,
    passwordHash,
    isConfirmed: true,
  })
  if (account) return
  await undo?.()
  throw new AppServicesError('AccountNameInUse', 'name already in use')
}

/** Gives a user the identity of the account. Resolves to the function that takes it away again. */
async function giveIdentity(
  userId: string,
  email: string,
  { users }: Parts,
): Promise<() => Promise<unknown>> {
  const identity = { providerType: 'local-userpass', id: userId, data: { email } } as const
  if (await users.insert(userId, [identity]))
    return async () => {
      await users.markDeleted(userId)
      await users.removeMarked(userId)
    }
  const owner = await users.findByIdentity('local-userpass', userId)
  // The account of an earlier call may be there, so the identity stays.
  if (owner) return () => Promise.resolve()
  const outcome = await users.addIdentity(userId, identity)
  if (outcome !== 'added')
    throw new AppServicesError('AccountNameInUse', 'the user cannot get an email account')
  return () => users.removeIdentity(userId, identity)
}
