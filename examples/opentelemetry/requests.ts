import { SpanKind } from '@opentelemetry/api'
import type { Tracer } from '@opentelemetry/api'
import type { RequestHandler } from 'express'

/** Makes a span of each request. If your app has the instrumentation of OpenTelemetry for HTTP, it makes this span. */
export function traceRequests(tracer: Tracer): RequestHandler {
  return (req, res, next) => {
    tracer.startActiveSpan(req.method, { kind: SpanKind.SERVER }, span => {
      res.once('close', () => {
        span.end()
      })
      next()
    })
  }
}
