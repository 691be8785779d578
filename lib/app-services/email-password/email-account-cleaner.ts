import type { UserCleaner } from '../users/delete-user.js'
import type { EmailAccounts } from './email-accounts.js'

/** Creates the function that removes the email accounts of a user who is being deleted. */
export function emailAccountCleaner(emailAccounts: EmailAccounts): UserCleaner {
  return async ({ identities }) => {
    const own = identities.filter(identity => identity.provider_type === 'local-userpass')
    await emailAccounts.remove(own.map(({ id }) => id))
    return own.map(({ data }) => data['email']).filter(email => typeof email === 'string')
  }
}
