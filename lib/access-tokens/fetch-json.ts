import { BlockList, isIPv6 } from 'node:net'

/** What a fetch may cost, and for whom it is made. */
export interface FetchLimits {
  readonly timeoutMs: number
  readonly maxBytes: number
  /** The issuer whose configuration or keys are fetched. */
  readonly issuer: string
}

/**
 * Whether something of an issuer may be fetched at an address: over https, or over http on loopback if the issuer is an http
 * address on loopback too. An issuer elsewhere must not make this process ask servers that only this machine can
 * reach, so an address on loopback is refused for it over https as well.
 */
export function isFetchable(address: string, issuer: string): boolean {
  const url = parseAddress(address)
  if (!url || isIn(UNSPECIFIED, url)) return false
  if (!isLoopback(url)) return url.protocol === 'https:'
  const origin = parseAddress(issuer)
  if (!origin || !isLoopback(origin)) return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && origin.protocol === 'http:')
}

/** Whether an address names this machine. */
export function isLoopbackAddress(address: string): boolean {
  const url = parseAddress(address)
  return url !== undefined && isLoopback(url)
}

/** `undefined` for a text that is no URL, and for a URL with credentials in it. */
function parseAddress(address: string): URL | undefined {
  if (!URL.canParse(address)) return undefined
  const url = new URL(address)
  return url.username + url.password === '' ? url : undefined
}

/** RFC 6761 6.3 gives `localhost` and all names below it to loopback. */
const LOOPBACK_NAME = /^(.+\.)?localhost\.?$/

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8)
LOOPBACK.addAddress('::1', 'ipv6')

/** RFC 1122 3.2.1.3: these are no destination. Linux connects them to loopback. */
const UNSPECIFIED = new BlockList()
UNSPECIFIED.addSubnet('0.0.0.0', 8)
UNSPECIFIED.addAddress('::', 'ipv6')

function isLoopback(url: URL): boolean {
  return LOOPBACK_NAME.test(url.hostname) || isIn(LOOPBACK, url)
}

function isIn(list: BlockList, { hostname }: URL): boolean {
  const address = hostname.replace(/^\[|\]$/g, '')
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/**
 * Fetches JSON with a bound on time and on bytes, which are counted as they arrive. Redirects are refused: they would
 * let whoever answers choose another host (ASVS 15.3.2).
 */
export async function fetchJson(address: string, limits: FetchLimits): Promise<unknown> {
  const { timeoutMs, maxBytes, issuer } = limits
  if (!isFetchable(address, issuer)) {
    throw new Error(
      'The address of the keys must be https. An address on loopback is fetched only if the issuer is on loopback too, and ' +
        'over http only if the issuer is an http address.',
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
