/** Control characters, invisible characters, line breaks, and characters that change the direction of text. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/**
 * A text from a client in a form that can be stored, listed and logged: with at most `maxLength` characters, and with
 * characters that a terminal or a page would obey written as `\u{1b}`.
 */
export function toShownText(text: string, maxLength: number): string {
  return text.slice(0, maxLength).replace(UNPRINTABLE, escape).slice(0, maxLength).toWellFormed()
}

function escape(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`
}
