/** What a fetch may cost. */
export interface FetchLimits {
  readonly timeoutMs: number
  readonly maxBytes: number
  /** Whether http on this machine may be fetched: only if the issuer itself is an http address on this machine. */
  readonly allowsLoopbackHttp: boolean
}

/** Whether an address may be fetched: https without credentials or, if allowed, http on this machine. */
export function isFetchable(address: string, allowsLoopbackHttp: boolean): boolean {
  return protocolOf(address) === 'https:' || (allowsLoopbackHttp && isLoopbackHttp(address))
}

/** Whether an address is http on this machine, as in development and in tests. */
export function isLoopbackHttp(address: string): boolean {
  return (
    protocolOf(address) === 'http:' &&
    /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(new URL(address).hostname)
  )
}

/** The protocol of an address; `undefined` for a text that is no URL, and for a URL with credentials in it. */
function protocolOf(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined
  const { protocol, username, password } = new URL(address)
  return username + password === '' ? protocol : undefined
}

/**
 * Fetches JSON with a bound on time and on bytes, which are counted as they arrive. Redirects are refused: they would
 * let whoever answers choose another host (ASVS 15.3.2).
 */
export async function fetchJson(address: string, limits: FetchLimits): Promise<unknown> {
  const { timeoutMs, maxBytes, allowsLoopbackHttp } = limits
  if (!isFetchable(address, allowsLoopbackHttp)) {
    throw new Error(
      'The address of the keys must be https. An http address is fetched only on loopback, and only if the issuer is an ' +
        'http address on loopback too.',
    )
  }
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
