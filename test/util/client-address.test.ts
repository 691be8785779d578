import { describe, expect, it } from 'vitest'
import { toClientNetwork, toPlainAddress } from '../../lib/util/client-address.js'

describe('the network that counts as one client', () => {
  it.each(['203.0.113.7', '127.0.0.1'])('is an IPv4 address itself: %s', address => {
    expect(toClientNetwork(address)).toBe(address)
  })

  it.each([
    '::ffff:1.2.3.4',
    '::FFFF:1.2.3.4',
    '::ffff:102:304',
    '0:0:0:0:0:ffff:1.2.3.4',
    '64:ff9b::1.2.3.4',
    '64:ff9b::102:304',
  ])('is the IPv4 address if that is written as IPv6: %s', address => {
    expect(toClientNetwork(address)).toBe('1.2.3.4')
  })

  it.each([
    ['203.0.113.7:50123', '203.0.113.7'],
    ['[::ffff:1.2.3.4]:443', '1.2.3.4'],
    ['[2001:db8::1]:443', '2001:db8:0:0::/64'],
    ['[2001:db8::1]', '2001:db8:0:0::/64'],
  ])('has no part in a port that a proxy added: %s', (address, network) => {
    expect(toClientNetwork(address)).toBe(network)
  })

  it('is the /64 of an IPv6 address: its addresses count as one client', () => {
    const addresses = Array.from({ length: 1000 }, (_item, i) => `2001:db8:1:2::${i.toString(16)}`)
    expect(new Set(addresses.map(toClientNetwork))).toEqual(new Set(['2001:db8:1:2::/64']))
  })

  it('is the /64 if the last 32 bits of an IPv6 address are written as IPv4', () => {
    expect(toClientNetwork('1::2:3:4:5:1.2.3.4')).toBe('1:0:2:3::/64')
  })

  it('is the same however an IPv6 address is written', () => {
    const written = [
      '2001:db8:0:2::1',
      '2001:DB8:0:2:0:0:0:1',
      '2001:0db8:0000:0002:0000:0000:0000:0001',
      '2001:db8::2:ffff:0:0:1',
      '2001:db8:0:2::1%eth0',
    ]
    expect(new Set(written.map(toClientNetwork))).toEqual(new Set(['2001:db8:0:2::/64']))
  })

  it.each([
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%lo', 'fe80:0:0:0::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
  ])('of %s is %s', (address, network) => {
    expect(toClientNetwork(address)).toBe(network)
  })

  it('is another network for the next /64', () => {
    expect(toClientNetwork('2001:db8:0:3::1')).not.toBe(toClientNetwork('2001:db8:0:2::1'))
  })

  it('is undefined without an address', () => {
    expect(toClientNetwork(undefined)).toBeUndefined()
  })

  it('is the text itself if a proxy sends something that is not an address', () => {
    expect(toClientNetwork('unknown')).toBe('unknown')
  })
})

it.each([
  ['::ffff:1.2.3.4', '1.2.3.4'],
  ['1.2.3.4', '1.2.3.4'],
  ['2001:db8::1', '2001:db8::1'],
  [undefined, undefined],
])('an address is shown in its usual form: %s as %s', (address, shown) => {
  expect(toPlainAddress(address)).toBe(shown)
})
