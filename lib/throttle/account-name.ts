import { describeType } from '../describe-value.js'

/** What credentials may name an account by. */
export type AccountName = string | number | bigint | boolean

/** Whether a value can name an account. A text of nothing but white space names none: forms send empty fields, too. */
export function isAccountName(value: unknown): value is AccountName {
  if (typeof value === 'string') return trimInvisible(value) !== ''
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
}

/** Folding a folded text once more can change it, because case and compatibility forms depend on each other. */
const MOST_ROUNDS = 8

/** The name that a function was given, or a `TypeError` that says of which type the given value is. */
export function requireAccountName(account: unknown): string {
  if (typeof account === 'string' && isAccountName(account)) return account
  throw new TypeError(
    `forgetFailedLogins(): the account must be the text that is typed at a login (given: ${describeType(account)}).`,
  )
}

/**
 * Code units of a name that count, without the white space around it. Normalising 100 kB of combining marks would hold up
 * the event loop for more than a second.
 */
const MOST_CODE_UNITS = 1_500

/**
 * The name under which the failures of an account are counted. An app may look names up without regard to case, to
 * compatibility forms or to white space around them, so all such spellings of a name are counted as one.
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
 * Decomposed, which makes the same names equal as NFKC does, because upper case makes a letter of the iota subscript.
 * By way of upper case, because `ß` and `SS`, or the two forms of the small sigma, have only that in common.
 */
function foldOnce(text: string): string {
  const upper = trimInvisible(text.normalize('NFKD')).toUpperCase()
  return upper.toLowerCase().replaceAll('ς', 'σ').normalize('NFKD')
}

/** White space, control characters and characters that are not displayed. */
const INVISIBLE = /[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/u

/** Character by character: a regular expression for the end of a text takes quadratic time when spaces are inside. */
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
