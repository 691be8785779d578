import { asCustomUserDataError } from '../errors.js'
import type { OperationName } from '../operations.js'
import type { Core } from './core.js'
import type { GuardParts } from './guards.js'

/** The part of an answer with tokens that measurements need. */
interface AnswerOfUser {
  readonly user: { readonly id: string }
}

/** Runs the functions that do without a request what routes do. */
export type Calls = ReturnType<typeof createCalls>

/** Creates the functions that measure and count such calls. */
export function createCalls(
  { operations }: Pick<Core, 'operations'>,
  { failures }: Pick<GuardParts, 'failures'>,
) {
  /** Runs a function, and counts it if it fails with 5xx. */
  async function count<T>(name: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      const ours = asCustomUserDataError(error)
      if (ours) failures.countThrown(`${name}()`, ours)
      throw error
    }
  }

  /** Does the same, and measures a login, a refresh or a logout. */
  async function measure<Answer extends AnswerOfUser | undefined>(
    name: OperationName,
    run: () => Promise<Answer>,
  ): Promise<Answer> {
    const operation = operations.begin(name)
    try {
      const answer = await count(name, run)
      operation.succeeded(answer?.user.id)
      return answer
    } catch (error) {
      const ours = asCustomUserDataError(error)
      // Any other error is a wrong argument: nothing was tried.
      if (ours) operation.failed(ours)
      throw error
    }
  }

  return { count, measure }
}
