import { BlockList, isIPv6 } from 'node:net'
import { withDeadline } from '../util/deadline.js'

/** The limits of one fetch. */
export interface FetchLimits {
  readonly timeoutMs: number
  readonly maxBytes: number
  /** The issuer whose configuration or keys are fetched. */
  readonly issuer: string
}

/**
 * Whether the keys of an issuer may be fetched from an address. The address must be https. Over http it must be on loopback,
 * and the issuer must be an http address on loopback too. An issuer elsewhere could make this process send requests to
 * servers that only this machine can reach, so for it an address on loopback is refused over https as well.
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

/** `undefined` for a text that is not a URL, and for a URL with a user name or a password. */
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

/** RFC 1122 3.2.1.3: these addresses are not valid destinations. Linux connects them to loopback. */
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
 * Fetches JSON within a time limit and a size limit. Bytes are counted as they arrive. Redirects are refused, because with
 * them the server could choose another host.
 */
export async function fetchJson(address: string, limits: FetchLimits): Promise<unknown> {
  const { timeoutMs, maxBytes, issuer } = limits
  if (!isFetchable(address, issuer)) {
    throw new Error(
      'The address of the keys must be https. An address on loopback is fetched only if the issuer is on loopback too, and ' +
        'over http only if the issuer is an http address.',
    )
  }
  return withDeadline(timeoutMs, async signal => {
    const response = await fetch(address, {
      redirect: 'error',
      headers: { accept: 'application/json' },
      signal,
    })
    if (response.status !== 200 || !response.body) {
      await response.body?.cancel()
      throw new Error(`The status of the answer is ${response.status}, not 200.`)
    }
    return JSON.parse(await readText(response.body, maxBytes)) as unknown
  })
}

async function readText(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  // A throw inside the loop cancels the stream, and with it the transfer.
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw new Error(`The answer is larger than ${maxBytes} bytes.`)
    chunks.push(chunk)
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
}
