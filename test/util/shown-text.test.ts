import { expect, it } from 'vitest'
import { toShownText } from '../../lib/util/shown-text.js'

it.each([
  ['Firefox on Linux', 'Firefox on Linux'],
  ['Zoë’s 📱', 'Zoë’s 📱'],
  ['\x1b[31mred\x07', '\\u{1b}[31mred\\u{7}'],
  ['a\r\nb\0c\x7f\x85', 'a\\u{d}\\u{a}b\\u{0}c\\u{7f}\\u{85}'],
  ['\u202eevil\u2028\u200b', '\\u{202e}evil\\u{2028}\\u{200b}'],
])('a text is shown with control characters escaped: %j as %j', (text, shown) => {
  expect(toShownText(text, 64)).toBe(shown)
})

it('a text is shown with at most the given length, and without half a character', () => {
  expect(toShownText('x'.repeat(12_000), 64)).toBe('x'.repeat(64))
  expect(toShownText('\x1b'.repeat(12_000), 64)).toHaveLength(64)
  expect(toShownText(`${'x'.repeat(63)}📱`, 64)).toBe(`${'x'.repeat(63)}\ufffd`)
})
