import { hashPassword } from '../../../index.js'
import type { Parts } from '../../parts.js'
import type { Route } from '../../router/routes.js'
import { jsonAnswer } from '../../wire/answers.js'
import { AppServicesError } from '../../wire/errors.js'
import { reportWithout } from './after-answer.js'
import type { EmailAccount } from './email-accounts.js'
import { invalidToken, readEmail, readNewPassword, readToken } from './email-input.js'
import type { EmailPasswordConfig } from './email-password-options.js'
import { emailRoute } from './email-route.js'
import { createToken } from './email-tokens.js'

/** Creates the route that sends a mail with a token. Nothing is read before the answer, so it is the same for all addresses. */
export function sendResetRoute(config: EmailPasswordConfig, parts: Parts): Route {
  const { emailAccounts, userData, now, report, afterAnswers } = parts
  const { resetFunction, sendPasswordReset } = config
  return emailRoute('reset/send', async call => {
    const email = readEmail(call.body)
    if (resetFunction) throw new AppServicesError('BadRequest', 'please use reset password via function')
    if (!sendPasswordReset) throw noReset()
    await userData.countAttempt({ account: `reset:${email}`, address: call.address })
    const { token, tokenId, stored } = createToken(now())
    afterAnswers.run(
      async () => {
        const account = await emailAccounts.renewReset(email, stored)
        if (account) await sendPasswordReset({ email, token, tokenId })
      },
      reportWithout({ token }, call, report),
    )
    return jsonAnswer({}, 202)
  })
}

/** Creates the route that sets a new password by a token. */
export function resetRoute(parts: Parts): Route {
  const { emailAccounts, userData } = parts
  return emailRoute('reset', async ({ body, address }) => {
    const sent = readToken(body)
    const password = readNewPassword(body)
    const attempt = await userData.countAttempt({ address })
    // Looked up first, so that a made-up token costs no hash.
    const found = await emailAccounts.findByResetToken(sent)
    if (!found) throw invalidToken()
    const passwordHash = await hashPassword(password)
    await revokeUserOf(found, parts)
    const account = await emailAccounts.setPasswordByToken(sent, passwordHash)
    if (!account) throw invalidToken()
    attempt.giveBack()
    await endSessionsOf(account, parts)
    return jsonAnswer({})
  })
}

/**
 * Ends the sessions of an account's user before the new password is stored. The answer to that write can be lost: then the token
 * is used up, nobody can repeat the reset, and {@link endSessionsOf} does not run.
 */
export async function revokeUserOf(
  { accountId }: EmailAccount,
  { users, userData }: Pick<Parts, 'users' | 'userData'>,
): Promise<void> {
  const user = await users.findByIdentity('local-userpass', accountId)
  if (user) await userData.revoke(user._id.toHexString())
}

/**
 * Ends all sessions of an account's user, after the new password is stored. A login that has verified the old password either
 * has a user here, whose session is ended, or finds out afterwards that the password has changed.
 */
export async function endSessionsOf(account: EmailAccount, parts: Parts): Promise<void> {
  const { emailAccounts, userData, report } = parts
  try {
    await revokeUserOf(account, parts)
  } catch (error) {
    // The old sessions may live, so the client must be able to repeat the reset.
    await emailAccounts.restoreReset(account).catch(report)
    throw error
  }
  // The password is set and the sessions are over, so a lock of the account is no reason to fail.
  await userData.forgetFailedLogins(account._id).catch(report)
}

/** The error for apps without a way to reset passwords. */
export function noReset(): AppServicesError {
  return new AppServicesError('BadRequest', 'the reset of passwords is not turned on')
}
