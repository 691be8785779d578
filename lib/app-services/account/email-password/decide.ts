import { tookTooLong } from '../../functions/team-calls.js'
import { inTime } from '../../in-time.js'
import { AppServicesError } from '../../wire/errors.js'
import { isRepeated } from '../../wire/loops.js'
import type { EmailPasswordDecision } from './email-password-options.js'

interface Question {
  /** The option, for errors. */
  readonly option: 'confirmationFunction' | 'resetFunction'
  /** Milliseconds that the function may take. */
  readonly timeoutMs: number
  /** The text of the answer if the function throws. */
  readonly failure: string
  readonly ask: () => EmailPasswordDecision | Promise<EmailPasswordDecision>
}

/**
 * Asks a function of the team.
 *
 * @param report reports an error of the function, without the secrets that it got
 * @throws AppServicesError `BadRequest` with the text of a failure if the function throws, because the requests carry an access
 * token: after an `InvalidSession` that the function throws, the client would repeat the request for ever
 */
export async function decide(
  { option, timeoutMs, failure, ask }: Question,
  report: (error: unknown) => void,
): Promise<EmailPasswordDecision['status']> {
  let decision: unknown
  try {
    decision = await inTime(timeoutMs, ask, tookTooLong)
  } catch (error) {
    if (error instanceof AppServicesError && !isRepeated(error)) {
      if (error.code === 'ExecutionTimeLimitExceeded') report(error)
      throw error
    }
    report(error)
    throw new AppServicesError('BadRequest', failure, { cause: error })
  }
  return requireStatus(option, decision)
}

function requireStatus(option: string, decision: unknown): EmailPasswordDecision['status'] {
  const { status } = Object(decision) as { readonly status?: unknown }
  if (status === 'success' || status === 'pending' || status === 'fail') return status
  throw new TypeError(
    `providers.emailPassword.${option} must return { status: "success" }, { status: "pending" } or { status: "fail" }.`,
  )
}
