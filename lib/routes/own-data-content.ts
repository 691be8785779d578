import type { Request } from 'express'
import { CustomUserDataError } from '../errors.js'
import { unsupportedMediaType } from './request-body.js'

/**
 * Creates the check of the headers that describe a body of `ownData()`. It throws before the body is read.
 *
 * - Another media type is 415, also `application/merge-patch+json`, because `null` removes a field there, and is a value here.
 * - A `PUT` with `Content-Range` is 400 (RFC 9110 14.5): a part must not be taken for the whole.
 */
export function createContentCheck(mediaTypes: readonly string[]): (req: Request) => void {
  const types = [...mediaTypes]
  return req => {
    const { method, headers } = req
    if (headers['content-length'] === '0') throw invalid('Send a JSON object.')
    if (req.is(types) === false) throw unsupportedMediaType(types, `Send ${types.join(' or ')}.`)
    if (method === 'PUT' && headers['content-range'] !== undefined)
      throw invalid('Content-Range is not supported. Send all fields, or change some of them by PATCH.')
  }
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
