import { expect, it } from 'vitest'
import { RepeatedLines } from '../../lib/util/repeated-lines.js'
import { createManualClock } from '../support/clock.js'

it('one line a minute of each kind is printed, with the number of lines that were left out', () => {
  const clock = createManualClock()
  const lines = new RepeatedLines(clock)
  const printed: string[] = []
  const add = (kind: string) => {
    lines.add(kind, count => printed.push(kind + count))
  }
  for (const kind of ['a', 'a', 'b', 'a']) add(kind)
  clock.advance(59_999)
  add('a')
  clock.advance(1)
  add('a')
  add('a')
  clock.advance(60_000)
  add('b')
  expect(printed).toEqual(['a', 'b', 'a (4 times since the last line)', 'b'])
})
