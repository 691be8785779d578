import type { Span } from '@opentelemetry/api'
import { MongoDBInstrumentation } from '@opentelemetry/instrumentation-mongodb'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-node'

// Import this file before the driver, which the instrumentation changes while it is loaded.

/** Commands whose first member is a collection that the driver does not tell the instrumentation: it says `$cmd`. */
const UNNAMED = ['aggregate', 'findAndModify', 'createIndexes', 'listIndexes']

/** The text of a command on a span: its name and its collection, and never a value. */
function toStatement(command: Readonly<Record<string, unknown>>): string {
  const [name = '', collection] = Object.entries(command)[0] ?? []
  return UNNAMED.includes(name) && typeof collection === 'string' ? `${name} ${collection}` : ''
}

/** Replaces `$cmd` in the names of spans by the collection that {@link toStatement} left on the span. */
class CollectionNames implements SpanProcessor {
  onStart(span: Span & ReadableSpan): void {
    if (span.attributes['db.collection.name'] !== '$cmd') return
    const operation = String(span.attributes['db.operation.name'])
    const collection = String(span.attributes['db.query.text']).slice(operation.length + 1)
    span.setAttribute('db.collection.name', collection)
    span.updateName(`${operation} ${collection}`.trim())
  }
  onEnd(): void {
    // Names are set when a span begins.
  }
  async forceFlush(): Promise<void> {
    // Nothing waits.
  }
  async shutdown(): Promise<void> {
    // Nothing is open.
  }
}

const exporter = new InMemorySpanExporter()

const provider = new NodeTracerProvider({
  spanProcessors: [new CollectionNames(), new SimpleSpanProcessor(exporter)],
})
provider.register()
const instrumentation = new MongoDBInstrumentation({
  dbStatementSerializer: toStatement,
  // An app makes spans of its requests, and these tests do not.
  requireParentSpan: false,
})
instrumentation.setTracerProvider(provider)
instrumentation.enable()

/** The spans that end while a function runs. */
export async function spansOf(run: () => Promise<unknown>): Promise<ReadableSpan[]> {
  exporter.reset()
  await run()
  return exporter.getFinishedSpans()
}
