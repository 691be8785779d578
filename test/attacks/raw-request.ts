import { connect } from 'node:net'
import type { AttackRequest } from './attack.js'

/** The exact answer of a server. */
export interface RawAnswer {
  readonly status: number
  /** The last value of each header, by its lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** The whole answer, headers included. */
  readonly text: string
}

const TIMEOUT_MS = 10_000

/**
 * Sends a request byte for byte to a port of this machine, and reads until the server closes. With `latin1` each
 * character
 * below 256 is the byte of its number.
 */
export async function sendRaw(
  port: number,
  request: AttackRequest,
  encoding: 'utf8' | 'latin1' = 'utf8',
): Promise<RawAnswer> {
  const text = await exchange(port, toBytes(request, encoding))
  const [head = ''] = text.split('\r\n\r\n', 1)
  const [statusLine = '', ...lines] = head.split('\r\n')
  return { status: Number(statusLine.split(' ')[1]), headers: toHeaders(lines), text }
}

function toBytes(
  { method = 'GET', path = '/', headers, body = '' }: AttackRequest,
  encoding: 'utf8' | 'latin1',
): Buffer {
  const length = `Content-Length: ${Buffer.byteLength(body)}`
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', length, ...headers]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, encoding)
}

function toHeaders(lines: readonly string[]): Record<string, string> {
  const pairs = lines.map(line => /^([^:]+):\s*(.*)$/.exec(line) ?? [])
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name.toLowerCase(), value]))
}

function exchange(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('The server did not answer in time.')))
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => {
      resolve(Buffer.concat(chunks).toString())
    })
  })
}
