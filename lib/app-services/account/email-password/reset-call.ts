import { hashPassword } from '../../../index.js'
import { newId } from '../../ids.js'
import type { Parts } from '../../parts.js'
import type { Call, Route } from '../../router/routes.js'
import { jsonAnswer } from '../../wire/answers.js'
import { AppServicesError } from '../../wire/errors.js'
import { reportWithout } from './after-answer.js'
import { decide } from './decide.js'
import { readEmail, readNewPassword } from './email-input.js'
import type { EmailPasswordConfig, PasswordResetFunction } from './email-password-options.js'
import { emailRoute } from './email-route.js'
import { createToken } from './email-tokens.js'
import { endSessionsOf, noReset, revokeUserOf } from './reset.js'

const MAX_ARGUMENTS = 20

/**
 * Creates the route that asks the reset function of the team. For an unknown address it does the same work, down to the
 * function and the hash, so that only the function decides about the answer.
 */
export function callResetRoute({ resetFunction }: EmailPasswordConfig, parts: Parts): Route {
  return emailRoute('reset/call', async call => {
    const email = readEmail(call.body)
    const password = readNewPassword(call.body)
    const args = readArguments(call, parts)
    if (!resetFunction) throw noReset()
    await parts.userData.countAttempt({ account: `reset:${email}`, address: call.address })
    await askForReset({ email, password, args, resetFunction }, call, parts)
    return jsonAnswer({}, 202)
  })
}

interface ResetRequest {
  readonly email: string
  readonly password: string
  readonly args: readonly unknown[]
  readonly resetFunction: PasswordResetFunction
}

async function askForReset(request: ResetRequest, call: Call, parts: Parts): Promise<void> {
  const { email, password, args, resetFunction } = request
  const { emailAccounts, now, report } = parts
  const currentPasswordValid = (await emailAccounts.findByPassword(email, password)) !== undefined
  const { token, tokenId, stored } = createToken(now())
  const account = await emailAccounts.renewReset(email, stored)
  const facts = { currentPasswordValid, accountExists: account !== undefined }
  const question = {
    option: 'resetFunction',
    timeoutMs: parts.config.functionTimeoutMs,
    failure: `failed to reset password for user "${email}"`,
    ask: () => resetFunction({ username: email, password, token, tokenId, ...facts }, ...args),
  } as const
  const status = await decide(question, reportWithout({ token, password }, call, report)).catch(
    async (error: unknown) => {
      await emailAccounts.dropReset(email, tokenId)
      throw error
    },
  )
  if (status === 'fail') {
    await emailAccounts.dropReset(email, tokenId)
    throw new AppServicesError('BadRequest', question.failure)
  }
  if (status === 'pending') return
  // No account has the random id, so nothing is written for an unknown address.
  const accountId = account?.accountId ?? newId()
  const passwordHash = await hashPassword(password)
  if (account) await revokeUserOf(account, parts)
  const changed = await emailAccounts.setPassword(accountId, passwordHash)
  if (changed) await endSessionsOf(changed, parts)
}

function readArguments({ body }: Call, { extendedJson }: Parts): readonly unknown[] {
  const { arguments: given = [] } = body
  if (!Array.isArray(given)) throw new AppServicesError('InvalidParameter', '"arguments" must be a list')
  if (given.length > MAX_ARGUMENTS)
    throw new AppServicesError('InvalidParameter', `there are more than ${MAX_ARGUMENTS} arguments`)
  return extendedJson.parse(given, 'plain') as unknown[]
}
