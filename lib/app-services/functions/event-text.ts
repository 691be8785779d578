import { toErrorBody } from '../wire/errors.js'
import type { AppServicesError } from '../wire/errors.js'

/** A comment, which clients skip. It keeps proxies from closing a connection that is silent. */
export const HEARTBEAT = ':\n\n'

/** One value as a server-sent event. */
export function toValueEvent(json: string): string {
  return `data: ${escape(json)}\n\n`
}

/** An error that ends a stream, as a server-sent event. */
export function toErrorEvent(error: AppServicesError): string {
  return `event: error\ndata: ${escape(JSON.stringify(toErrorBody(error)))}\n\n`
}

/** Clients replace these three escapes after they have read an event, and no others. */
function escape(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\n', '%0A').replaceAll('\r', '%0D')
}
