/** Values that a callback may throw and that cannot be converted to a text. Some throw when any member is read. */
export const ODD_THROWS: readonly { what: string; thrown: unknown }[] = [
  { what: 'an object without a prototype', thrown: Object.create(null) as unknown },
  { what: 'an object whose toString throws', thrown: { toString: fail } },
  { what: 'an error whose toString throws', thrown: Object.assign(new Error('odd'), { toString: fail }) },
  { what: 'a proxy that was revoked', thrown: revokedProxy() },
  { what: 'a symbol', thrown: Symbol('odd') },
]

function fail(): never {
  throw new Error('toString failed')
}

function revokedProxy(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
