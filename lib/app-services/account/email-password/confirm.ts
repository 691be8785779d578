import type { Parts } from '../../parts.js'
import type { Route } from '../../router/routes.js'
import { jsonAnswer } from '../../wire/answers.js'
import { AppServicesError } from '../../wire/errors.js'
import { reportWithout } from './after-answer.js'
import { decide } from './decide.js'
import type { EmailAccount } from './email-accounts.js'
import { invalidToken, readEmail, readToken } from './email-input.js'
import type { EmailPasswordConfig, EmailPasswordDecision } from './email-password-options.js'
import { emailRoute } from './email-route.js'
import { createToken } from './email-tokens.js'
import type { SentToken } from './email-tokens.js'

/** Creates the routes that confirm addresses. */
export function confirmRoutes(config: EmailPasswordConfig, parts: Parts): Route[] {
  return [confirmRoute(parts), sendRoute(config, parts), callRoute(config, parts)]
}

/** Somebody with the token is the owner of the address, and may be told that it is confirmed already. */
function confirmRoute({ emailAccounts, userData }: Parts): Route {
  return emailRoute('confirm', async ({ body, address }) => {
    const sent = readToken(body)
    const attempt = await userData.countAttempt({ address })
    const outcome = await emailAccounts.confirmByToken(sent)
    if (outcome === 'invalid') throw invalidToken()
    attempt.giveBack()
    if (outcome === 'already') throw new AppServicesError('UserAlreadyConfirmed', 'already confirmed')
    return jsonAnswer({})
  })
}

function sendRoute({ autoConfirm, sendConfirmation }: EmailPasswordConfig, parts: Parts): Route {
  return repeatRoute('send', parts, email => {
    if (autoConfirm) throw isAutomatic(email)
    if (!sendConfirmation)
      throw new AppServicesError('BadRequest', 'please repeat the confirmation via function')
    return async (_account, { token, tokenId }) => {
      await sendConfirmation({ email, token, tokenId })
    }
  })
}

function callRoute({ autoConfirm, confirmationFunction }: EmailPasswordConfig, parts: Parts): Route {
  return repeatRoute('call', parts, email => {
    if (autoConfirm) throw isAutomatic(email)
    if (!confirmationFunction)
      throw new AppServicesError('BadRequest', 'please repeat the confirmation via email')
    return async (account, token) => {
      // The error goes to the report as a whole, since nobody waits for an answer.
      const { emailAccounts, config } = parts
      await decideOnAccount(confirmationFunction, account, token, {
        emailAccounts,
        config,
        report: () => undefined,
      })
    }
  })
}

type Repeat = (account: EmailAccount, token: SentToken) => Promise<void>

/**
 * Creates a route that begins a confirmation again. Nothing is read before the answer, so it is the same for unknown
 * addresses, and for confirmed ones.
 *
 * @param toRepeat gives the work for an account that is not confirmed, or throws if the options do not allow it
 */
function repeatRoute(
  name: 'send' | 'call',
  { emailAccounts, userData, now, report, afterAnswers }: Parts,
  toRepeat: (email: string) => Repeat,
): Route {
  return emailRoute(`confirm/${name}`, async call => {
    const email = readEmail(call.body)
    const repeat = toRepeat(email)
    await userData.countAttempt({ account: `confirm:${email}`, address: call.address })
    const { token, tokenId, stored } = createToken(now())
    afterAnswers.run(
      async () => {
        const account = await emailAccounts.renewConfirmation(email, stored)
        if (account) await repeat(account, { token, tokenId })
      },
      reportWithout({ token }, call, report),
    )
    return jsonAnswer({})
  })
}

interface Decision extends Pick<Parts, 'emailAccounts' | 'config'> {
  readonly report: (error: unknown) => void
}

/** Asks the confirmation function of the team about an account, and confirms the account if the function accepts it. */
export async function decideOnAccount(
  confirmationFunction: NonNullable<EmailPasswordConfig['confirmationFunction']>,
  account: EmailAccount,
  { token, tokenId }: SentToken,
  { emailAccounts, config, report }: Decision,
): Promise<EmailPasswordDecision['status']> {
  const username = account._id
  const question = {
    option: 'confirmationFunction',
    timeoutMs: config.functionTimeoutMs,
    failure: confirmationFailed(username).message,
    ask: () => confirmationFunction({ username, token, tokenId }),
  } as const
  const status = await decide(question, report)
  if (status === 'success') await emailAccounts.confirm(account)
  return status
}

/** The error of an account that the confirmation function has refused. */
export function confirmationFailed(email: string): AppServicesError {
  return new AppServicesError('BadRequest', `failed to confirm user "${email}"`)
}

function isAutomatic(email: string): AppServicesError {
  const text = `cannot run confirmation for ${email}: automatic confirmation is enabled`
  return new AppServicesError('BadRequest', text)
}
