import { SpanStatusCode } from '@opentelemetry/api'
import type { Attributes, Tracer } from '@opentelemetry/api'
import type { LoadMessage, OperationMessage } from 'express-custom-user-data'
import { onMessage } from './channels.js'

/** Options of {@link recordSpans}. */
interface SpanOptions {
  /** Whether spans have the user's id, as `enduser.id`. It is personal data, and everybody sees it who sees the traces. */
  readonly userIds?: boolean
}

/**
 * Makes a span of each load, of each wait for the load of another request, and of each login, refresh and logout. A message
 * comes in the context of its request, so the span is a child of the request's span.
 *
 * @returns a function that ends the recording
 */
export function recordSpans(tracer: Tracer, { userIds = false }: SpanOptions = {}): () => void {
  function record(name: string, message: LoadMessage | OperationMessage, isFailure: boolean): void {
    const { startTime, ms, userId, code } = message
    const attributes: Attributes = {
      ...(code !== undefined && { 'error.type': code }),
      ...(userIds && userId !== undefined && { 'enduser.id': userId }),
    }
    const span = tracer.startSpan(`custom_user_data.${name}`, { startTime, attributes })
    if (isFailure) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(startTime + ms)
  }

  const stops = [
    onMessage('load', load => {
      record('load', load, load.code !== undefined)
    }),
    onMessage('shared_load', load => {
      record('shared_load', load, load.code !== undefined)
    }),
    onMessage('operation', operation => {
      // A refusal, such as a wrong password, is an answer and no failure of the server.
      record(operation.name, operation, (operation.status ?? 0) >= 500)
    }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}
