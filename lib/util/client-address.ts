import { isIPv6 } from 'node:net'
import { toShownText } from './shown-text.js'

/** Longer than any address. With `trust proxy: true` the address is any text that a client has sent. */
const MAX_ADDRESS_LENGTH = 64

/**
 * The part of an address that counts as one client: an IPv4 address, or the /64 of an IPv6 address, because one client
 * usually has a whole /64 (RFC 6177). An IPv4 address that is written as IPv6 or translated to it counts as IPv4.
 * `undefined` without an address.
 */
export function toClientNetwork(address: string | undefined): string | undefined {
  const plain = toPlainAddress(address)?.replace(/%.*$/, '')
  if (plain === undefined || !isIPv6(plain)) return plain
  const groups = toGroups(plain)
  return embeddedIPv4(groups) ?? `${groups.slice(0, 4).map(toHex).join(':')}::/64`
}

/**
 * An address in its usual form: IPv4 instead of IPv4 written as IPv6, and without the port that some proxies add in
 * `X-Forwarded-For`.
 */
export function toPlainAddress(address: string | undefined): string | undefined {
  return address
    ?.replace(/^\[([\da-f:.]+)\](?::\d{1,5})?$/i, '$1')
    .replace(/^(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}$/, '$1')
    .replace(/^::ffff:(?=\d{1,3}(?:\.\d{1,3}){3}$)/i, '')
}

/** An address that can be stored and logged: see {@link toPlainAddress} and {@link toShownText}. */
export function toShownAddress(address: string | undefined): string | undefined {
  const plain = toPlainAddress(address)
  return plain === undefined ? undefined : toShownText(plain, MAX_ADDRESS_LENGTH)
}

/** The eight groups of an IPv6 address. `URL` converts last 32 bits that are written as IPv4 to groups. */
function toGroups(address: string): number[] {
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(8 - left.length - right.length).fill('0')
  return [...left, ...zeros, ...right].map(group => Number.parseInt(group, 16))
}

/** ::ffff:0:0/96 is IPv4 (RFC 4291 2.5.5.2), and 64:ff9b::/96 is IPv4 behind a translator (RFC 6052 2.1). */
function embeddedIPv4(groups: readonly number[]): string | undefined {
  const prefix = groups.slice(0, 6).map(toHex).join(':')
  if (prefix !== '0:0:0:0:0:ffff' && prefix !== '64:ff9b:0:0:0:0') return undefined
  return groups
    .slice(6)
    .flatMap(group => [group >> 8, group & 0xff])
    .join('.')
}

function toHex(group: number): string {
  return group.toString(16)
}
