import { once } from 'node:events'
import { connect } from 'node:net'
import type { Document } from 'mongodb'
import { BSON } from 'mongodb'

/** The opcode of all messages in the current protocol. */
const OP_MSG = 2013
const HEADER_BYTES = 16

/** Inserts a text that is not UTF-8, which no driver would send: the first `?` of the document is sent as `\xff`. */
export async function insertInvalidText(
  mongoUri: string,
  namespace: { readonly database: string; readonly collection: string },
  document: Document,
): Promise<void> {
  const { database, collection } = namespace
  const body = Buffer.from(
    BSON.serialize({ insert: collection, documents: [document], ordered: true, $db: database }),
  )
  body[body.indexOf('?')] = 0xff
  const { hostname, port } = new URL(mongoUri)
  const socket = connect(Number(port), hostname)
  try {
    socket.write(toMessage(body))
    await once(socket, 'data')
  } finally {
    socket.destroy()
  }
}

/** Builds a message from a header, no flags, and one section of kind 0. */
function toMessage(body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES + 5)
  header.writeInt32LE(header.length + body.length, 0)
  header.writeInt32LE(1, 4)
  header.writeInt32LE(OP_MSG, 12)
  return Buffer.concat([header, body])
}
