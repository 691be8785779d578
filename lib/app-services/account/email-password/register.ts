import { hashPassword } from '../../../index.js'
import type { Parts } from '../../parts.js'
import type { Call, Route } from '../../router/routes.js'
import { jsonAnswer } from '../../wire/answers.js'
import { AppServicesError } from '../../wire/errors.js'
import { reportWithout } from './after-answer.js'
import { decideOnAccount, confirmationFailed } from './confirm.js'
import type { EmailAccount } from './email-accounts.js'
import { readEmail, readNewPassword } from './email-input.js'
import type { EmailPasswordConfig } from './email-password-options.js'
import { emailRoute } from './email-route.js'
import { createToken } from './email-tokens.js'
import type { NewToken } from './email-tokens.js'

/**
 * Creates the route of registrations. Its answer tells that an address is taken, as clients expect, so each registration
 * counts for the address of the client, also one that succeeds.
 */
export function registerRoute(config: EmailPasswordConfig, parts: Parts): Route {
  const { emailAccounts, userData, now } = parts
  return emailRoute('register', async call => {
    const email = readEmail(call.body)
    const password = readNewPassword(call.body)
    await userData.countAttempt({ address: call.address })
    const token = createToken(now())
    const account = await emailAccounts.insert({
      email,
      passwordHash: await hashPassword(password),
      isConfirmed: config.autoConfirm,
      confirmation: config.autoConfirm ? undefined : token.stored,
    })
    if (!account) throw new AppServicesError('AccountNameInUse', 'name already in use')
    await beginConfirmation(account, token, { config, parts, call })
    return jsonAnswer({}, 201)
  })
}

interface Registration {
  readonly config: EmailPasswordConfig
  readonly parts: Parts
  readonly call: Call
}

async function beginConfirmation(
  account: EmailAccount,
  { token, tokenId }: NewToken,
  { config, parts, call }: Registration,
): Promise<void> {
  const { sendConfirmation, confirmationFunction } = config
  const email = account._id
  const report = reportWithout({ token }, call, parts.report)
  if (sendConfirmation) {
    parts.afterAnswers.run(async () => {
      await sendConfirmation({ email, token, tokenId })
    }, report)
    return
  }
  if (!confirmationFunction) return
  const decision = decideOnAccount(
    confirmationFunction,
    account,
    { token, tokenId },
    { emailAccounts: parts.emailAccounts, config: parts.config, report },
  )
  const status = await decision.catch(async (error: unknown) => {
    await parts.emailAccounts.removeUnconfirmed(account)
    throw error
  })
  if (status !== 'fail') return
  await parts.emailAccounts.removeUnconfirmed(account)
  throw confirmationFailed(email)
}
