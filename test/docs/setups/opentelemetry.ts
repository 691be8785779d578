import type { Tracer } from '@opentelemetry/api'
import type { SpanProcessor } from '@opentelemetry/sdk-trace-node'

export { MongoDBInstrumentation } from '@opentelemetry/instrumentation-mongodb'
export { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
export type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-node'
export { SpanStatusCode } from '@opentelemetry/api'
export type { Span } from '@opentelemetry/api'
export type { ChannelMessages } from 'express-custom-user-data'
export declare const tracer: Tracer
export declare const exportingProcessor: SpanProcessor
