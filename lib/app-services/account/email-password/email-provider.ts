import type { Provider } from '../../providers/provider.js'
import { requireText } from '../../wire/body-members.js'
import { AppServicesError } from '../../wire/errors.js'
import type { EmailAccount, EmailAccounts } from './email-accounts.js'
import { isEmail, normalizeEmail, readPassword } from './email-input.js'

/** The text of App Services, which clients compare. */
const REFUSAL = 'invalid username/password'

/** Creates the provider of email accounts. The user of an account is created by its first login. */
export function emailPasswordProvider({
  emailAccounts,
}: {
  readonly emailAccounts: EmailAccounts
}): Provider {
  return {
    type: 'local-userpass',
    userType: 'normal',
    isLinkable: true,
    refusal: REFUSAL,
    read({ body }) {
      const email = normalizeEmail(requireText(body, 'username'))
      const password = readPassword(body)
      // Such a text names no account. Its attempts count for the address of the client alone.
      if (!isEmail(email)) return { verify: () => Promise.resolve(null) }
      let verified: EmailAccount | undefined
      return {
        // The name alone, because `forgetFailedLogins()` and the check of the password know the account by it.
        account: email,
        async verify() {
          verified = await emailAccounts.findByPassword(email, password)
          if (!verified) return null
          // Only somebody with the right password is told.
          if (verified.confirmedAt === null) throw new AppServicesError('AuthError', 'confirmation required')
          return { providerType: 'local-userpass', id: verified.accountId, data: { email } }
        },
        stillHolds: async () => verified !== undefined && (await emailAccounts.hasPassword(verified)),
      }
    },
  }
}
