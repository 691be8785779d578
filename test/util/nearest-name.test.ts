import { describe, expect, it } from 'vitest'
import { nearestName } from '../../lib/util/nearest-name.js'

const KNOWN = [
  'userId',
  'boundTo',
  'expiresAt',
  'optional',
  'maxAgeMs',
  'snapshotTtlMs',
  'maxSnapshots',
  'keys',
]

describe('the nearest known name', () => {
  it.each([
    ['userid', 'userId'],
    ['optoinal', 'optional'],
    ['maxAge', 'maxAgeMs'],
    ['snapshotTTL', 'snapshotTtlMs'],
    ['ttl', 'snapshotTtlMs'],
    ['key', 'keys'],
  ])('of %s is %s', (given, name) => {
    expect(nearestName(given, KNOWN)).toBe(name)
  })

  it.each(['', 'x', 'max', 'nonsense', 'a'.repeat(100_000)])(
    'is undefined if no name is near: %.20s',
    given => {
      expect(nearestName(given, KNOWN)).toBeUndefined()
    },
  )
})
