/**
 * The values of a stream: those of an async iterable, such as a generator or a readable stream, or of an iterable, such as a
 * list. Any other result is a stream of one value. A text is one value, although it is an iterable of characters.
 */
export function toValues(result: unknown): AsyncIterable<unknown> {
  if (typeof result !== 'object' || result === null) return inOrder([result])
  if (Symbol.asyncIterator in result) return result as AsyncIterable<unknown>
  const isMany = Symbol.iterator in result && !ArrayBuffer.isView(result)
  return inOrder(isMany ? (result as Iterable<unknown>) : [result])
}

// eslint-disable-next-line @typescript-eslint/require-await -- it awaits elements that are promises
async function* inOrder(values: Iterable<unknown>): AsyncGenerator {
  yield* values
}
