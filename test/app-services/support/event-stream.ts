import { BSON } from 'mongodb'
import type { User } from 'realm-web'

/** One event of a stream, as the client's own watch reads it. */
export interface SeenEvent {
  readonly type: string
  readonly value: unknown
}

/** Reads the events of a stream that a client has opened. */
async function* readEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SeenEvent, void> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = toEvent(text.slice(0, end))
      text = text.slice(end + 2)
      if (event) yield event
    }
  }
}

/** Opens a stream of a function by the client. */
export async function callStreaming(user: User, name: string, ...args: unknown[]) {
  const chunks = await user.functions.callFunctionStreaming(name, ...(args as string[]))
  return readEvents(chunks)
}

function toEvent(text: string): SeenEvent | undefined {
  const lines = text.split('\n')
  const data = lines.find(line => line.startsWith('data: '))?.slice(6)
  const type = lines.find(line => line.startsWith('event: '))?.slice(7) ?? 'message'
  if (data === undefined) return undefined
  const json = data.replaceAll('%0A', '\n').replaceAll('%0D', '\r').replaceAll('%25', '%')
  return { type, value: BSON.EJSON.parse(json) }
}
