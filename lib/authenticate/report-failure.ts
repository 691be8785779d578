import type { IncomingMessage } from 'node:http'
import { OptionError } from '../errors.js'
import { describeType } from '../util/describe-value.js'
import { isObject } from '../util/plain-object.js'
import { readMember } from '../util/thrown.js'
import type { FailedRequest, FailureReports } from './failure-reports.js'

/** A request of Express or Node, as far as this file reads it. */
type AnyRequest = FailedRequest & { readonly url?: string | undefined }

/** Creates the function by which the app reports an error that it answers with 5xx by itself. */
export function createReportFailure(failures: FailureReports) {
  return function reportFailure(error: unknown, req?: IncomingMessage): void {
    const given: unknown = req
    if (given !== undefined && !isRequest(given)) throw wrong('second', given)
    if (isRequestInPlaceOfError(error)) throw wrong('first', 'a request')
    failures.reportThrown(error, given && toView(given), given)
  }
}

/** Only Express has `originalUrl`, which stays the same inside routers. */
function toView({
  method,
  originalUrl,
  url,
  route,
  headers,
  params,
  body,
  sessionID,
}: AnyRequest): FailedRequest {
  return { method, originalUrl: originalUrl ?? url, route, headers, params, body, sessionID }
}

/** Not the `Request` of `fetch`: its headers are no members, so the secrets in them would not be found. */
function isRequest(value: unknown): value is AnyRequest {
  const [method, url, headers] = ['method', 'url', 'headers'].map(name => readMember(value, name))
  const isRead = typeof method === 'string' && typeof url === 'string' && isObject(headers)
  return isRead && typeof readMember(headers, 'get') !== 'function'
}

/** Errors of HTTP clients can have the members of a request, but only an error has a stack. */
function isRequestInPlaceOfError(value: unknown): boolean {
  return isRequest(value) && readMember(value, 'stack') === undefined
}

function wrong(which: string, given: unknown): OptionError {
  const found = typeof given === 'string' ? given : describeType(given)
  return new OptionError(
    `reportFailure(): the ${which} argument is ${found}. Write reportFailure(error, req) with the request of Express or Node, or ` +
      'reportFailure(error) without a request.',
  )
}
