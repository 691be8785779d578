import type { Request } from 'express'
import type { Parts } from '../../parts.js'
import type { Call } from '../../router/routes.js'

/** What a function of the team gets and no log may hold. */
export interface Secrets {
  readonly token: string
  readonly password?: string
}

/**
 * Creates the report of errors of a function that got secrets. The function may have put them into an error, for example as
 * the address of a link. The report leaves out the fields of a body that are named like secrets, so it gets them as the body.
 */
export function reportWithout(
  secrets: Secrets,
  { req }: Pick<Call, 'req'>,
  report: Parts['report'],
): (error: unknown) => void {
  return error => {
    report(error, Object.create(req, { body: { value: secrets } }) as Request)
  }
}
