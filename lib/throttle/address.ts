import { isIPv6 } from 'node:net'

/**
 * The part of an address that counts as one client: an IPv4 address, also where it is written as IPv6, and the /64 of an
 * IPv6 address, of which one client has 2^64 (RFC 6177). `undefined` where there is none.
 */
export function toClientNetwork(address: string | undefined): string | undefined {
  const plain = toPlainAddress(address)?.replace(/%.*$/, '')
  return plain !== undefined && isIPv6(plain) ? `${firstGroups(plain, 4)}::/64` : plain
}

/**
 * An address as one would write it: an IPv4 address that is written as IPv6 as IPv4, and without the port that some
 * proxies put into `X-Forwarded-For`.
 */
export function toPlainAddress(address: string | undefined): string | undefined {
  return address
    ?.replace(/^\[([\da-f:.]+)\](?::\d{1,5})?$/i, '$1')
    .replace(/^(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}$/, '$1')
    .replace(/^::ffff:(?=\d{1,3}(?:\.\d{1,3}){3}$)/i, '')
}

/** The first groups of an IPv6 address, written out: an abbreviated one has its zeros put back. */
function firstGroups(address: string, count: number): string {
  const [head = '', tail] = address.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0')
  const groups = tail === undefined ? left : [...left, ...zeros, ...right]
  return groups
    .slice(0, count)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')
}
