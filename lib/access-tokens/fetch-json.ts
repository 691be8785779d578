/** What a fetch may cost. */
export interface FetchLimits {
  readonly timeoutMs: number
  readonly maxBytes: number
}

/** Whether an address may be fetched: https, or http on this machine. */
export function isFetchable(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { protocol, hostname, username, password } = new URL(address)
  const isLoopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname)
  return username + password === '' && (protocol === 'https:' || (protocol === 'http:' && isLoopback))
}

/**
 * Fetches JSON with a bound on time and on bytes, which are counted as they arrive. Redirects are refused: they would
 * let whoever answers choose another host (ASVS 15.3.2).
 */
export async function fetchJson(address: string, { timeoutMs, maxBytes }: FetchLimits): Promise<unknown> {
  if (!isFetchable(address)) throw new Error('The address must be https, or http on loopback.')
  const response = await fetch(address, {
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (response.status !== 200 || !response.body) {
    await response.body?.cancel()
    throw new Error(`The answer's status is ${response.status}.`)
  }
  return JSON.parse(await readText(response.body, maxBytes))
}

async function readText(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop by a throw cancels the stream, and with it the transfer.
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw new Error(`The answer is over ${maxBytes} bytes.`)
    chunks.push(chunk)
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
}
