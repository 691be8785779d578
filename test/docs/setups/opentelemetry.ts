import type { SpanProcessor } from '@opentelemetry/sdk-trace-node'

export { MongoDBInstrumentation } from '@opentelemetry/instrumentation-mongodb'
export { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
export type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-node'
export type { Span } from '@opentelemetry/api'
export declare const exportingProcessor: SpanProcessor
