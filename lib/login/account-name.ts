import { describeType } from '../util/describe-value.js'

/** The name of an account in credentials. */
export type AccountName = string | number | bigint | boolean

/** Whether a value can name an account. A text of white space alone cannot: forms also send fields that are empty. */
export function isAccountName(value: unknown): value is AccountName {
  if (typeof value === 'string') return trimInvisible(value) !== ''
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
}

/** Folding is repeated until nothing changes, but at most this often: case and compatibility forms affect each other. */
const MOST_ROUNDS = 8

/** Checks the name of an account. Throws a `TypeError` that names only the type of another value. */
export function requireAccountName(callee: string, account: unknown): string {
  if (typeof account === 'string' && isAccountName(account)) return account
  throw new TypeError(
    `${callee}: the account must be the text that is typed at a login (given: ${describeType(account)}).`,
  )
}

/**
 * How many code units of a trimmed name count; the rest is ignored. Normalising 100 kB of combining marks would block the
 * event loop for more than a second.
 */
const MOST_CODE_UNITS = 1_500

/**
 * The name under which the failures of an account are counted. An app may ignore case, accents, compatibility forms, hidden
 * characters or white space around a name when it searches for a user, as databases do under many collations. So all these
 * spellings of a name are counted as one. Names of different people that differ in nothing else share their count.
 */
export function foldAccountName(name: AccountName): string {
  let folded = trimInvisible(String(name)).slice(0, MOST_CODE_UNITS)
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const next = foldOnce(folded)
    if (next === folded) break
    folded = next
  }
  return folded
}

/**
 * Uses upper case, because `ß` and `SS`, and the two small sigmas, are equal only in upper case. Uses a decomposed form,
 * because upper case turns the iota subscript into a letter. The decomposed form makes the same names equal as NFKC does.
 */
function foldOnce(text: string): string {
  const upper = trimInvisible(text.normalize('NFKD').replace(IGNORED, '')).toUpperCase()
  return upper.toLowerCase().replaceAll('ς', 'σ').normalize('NFKD')
}

/**
 * Accents and other marks, control characters, and characters that are not displayed: many collations ignore them. The iota
 * subscript is not among them, because it becomes a letter in upper case.
 */
const IGNORED = /(?!\u0345)[\p{M}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu

/** White space, control characters and characters that are not displayed. */
const INVISIBLE = /[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/u

/** Goes character by character: a regular expression for the end of a text takes quadratic time with many spaces. */
function trimInvisible(text: string): string {
  let start = 0
  let end = text.length
  for (let next = characterAt(text, start); INVISIBLE.test(next); next = characterAt(text, start)) {
    start += next.length
  }
  for (let last = characterBefore(text, end); end > start && INVISIBLE.test(last);) {
    end -= last.length
    last = characterBefore(text, end)
  }
  return text.slice(start, end)
}

function characterAt(text: string, index: number): string {
  const codePoint = text.codePointAt(index)
  return codePoint === undefined ? '' : String.fromCodePoint(codePoint)
}

function characterBefore(text: string, index: number): string {
  const pair = characterAt(text, index - 2)
  return pair.length === 2 ? pair : characterAt(text, index - 1)
}
