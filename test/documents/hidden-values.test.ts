import { describe, expect, it } from 'vitest'
import { toFrozenCopy } from '../../lib/documents/frozen-copy.js'
import { HIDDEN_FIELDS } from '../../lib/documents/hidden-values.js'

/** More dates than an object has hidden fields for. */
const NAMES = Array.from({ length: 2 * HIDDEN_FIELDS }, (_, n) => `day${n}`)
const toDates = (names: readonly string[]) =>
  Object.fromEntries(names.map((name, n) => [name, new Date(n)])) as Record<string, Date>

describe('dates and BSON values of a frozen copy', () => {
  it('are fresh on each access, however many the object has', () => {
    const copy = toFrozenCopy(toDates(NAMES)) as Record<string, Date>
    for (const name of NAMES) copy[name]!.setTime(1_000_000)
    expect(NAMES.map(name => copy[name]!.getTime())).toEqual(NAMES.map((_name, n) => n))
  })

  it('are fresh on each access in a list, too', () => {
    const { days } = toFrozenCopy({ days: NAMES.map((_name, n) => new Date(n)) }) as { days: Date[] }
    for (const day of days) day.setTime(1_000_000)
    expect(days.map(day => day.getTime())).toEqual(NAMES.map((_name, n) => n))
  })

  it('are found through an object that inherits from the copy', () => {
    const heir = Object.create(toFrozenCopy(toDates(NAMES))) as Record<string, Date>
    expect(NAMES.map(name => heir[name]!.getTime())).toEqual(NAMES.map((_name, n) => n))
  })

  it('are not found through an object that took the getter alone', () => {
    const copy = toFrozenCopy(toDates(NAMES))
    for (const name of NAMES) {
      const thief = Object.defineProperty({}, name, Object.getOwnPropertyDescriptor(copy, name)!)
      expect(() => Reflect.get(thief, name) as unknown).toThrow('only of the object that it was loaded into')
    }
  })

  it('may have any name, after any number of others', () => {
    const names = [...NAMES, '__proto__', 'constructor', '']
    const source = {}
    for (const [n, name] of names.entries())
      Object.defineProperty(source, name, { value: new Date(n), enumerable: true })
    const copy = toFrozenCopy(source)
    expect(
      names.map(name => (Object.getOwnPropertyDescriptor(copy, name)!.get!.call(copy) as Date).getTime()),
    ).toEqual(names.map((_name, n) => n))
  })
})
