import { asCustomUserDataError } from '../errors.js'
import type { OperationName } from '../operations.js'
import type { Core } from './core.js'
import type { GuardParts } from './guards.js'

/** The part of an answer with tokens that measurements need. */
interface AnswerOfUser {
  readonly user: { readonly id: string }
}

/** Runs a function that logs in, refreshes or logs out without a route. */
export type Call = ReturnType<typeof createCall>

/** Creates the function that measures such calls, and counts the calls that fail with 5xx. */
export function createCall(
  { operations }: Pick<Core, 'operations'>,
  { failures }: Pick<GuardParts, 'failures'>,
) {
  return async <Answer extends AnswerOfUser | undefined>(
    name: OperationName,
    run: () => Promise<Answer>,
  ): Promise<Answer> => {
    const operation = operations.begin(name)
    try {
      const answer = await run()
      operation.succeeded(answer?.user.id)
      return answer
    } catch (error) {
      const ours = asCustomUserDataError(error)
      // Any other error is a wrong argument: nothing was tried.
      if (ours) {
        operation.failed(ours)
        failures.countThrown(`${name}()`, ours)
      }
      throw error
    }
  }
}
