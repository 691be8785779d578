import { describeThrown } from './thrown.js'

/** Removes secret values from a text for logs. */
export type Redact = (text: string) => string

const REMOVED = '[removed]'
/** Stands for a removed value until all values are removed, because a later value may be a part of {@link REMOVED}. */
const HOLE = '\0'
/** Of a request with more values the whole text is removed. Otherwise a client could make each failure take long. */
const MOST_VALUES = 200
/** Shorter values are removed only as whole words: `1` must not be removed from every number. */
const MIN_ANYWHERE = 4
/** Tokens of any request, and the user and password of an address. */
const ALWAYS = /\beyJ[\w-]{8,}(?:\.[\w-]*){1,4}|(?<=:\/\/)[^\s/@]+(?=@)/g

/** Creates the function that replaces these values in texts, also where they are a part of JSON or of an address. */
export function createRedaction(values: readonly string[]): Redact {
  if (values.length > MOST_VALUES) return () => REMOVED
  // Long values come first, because a shorter one may be a part of them.
  const spellings = [...new Set(values.flatMap(spellingsOf))].sort((one, other) => other.length - one.length)
  return text => {
    let redacted = text.replaceAll(HOLE, ' ').replace(ALWAYS, HOLE)
    for (const spelling of spellings) redacted = redacted.replaceAll(toSearch(spelling), HOLE)
    return redacted.replaceAll(HOLE, REMOVED)
  }
}

const redactAlways = createRedaction([])

/**
 * Converts a thrown value to a text for messages and logs. An error of a driver can quote a connection string, so tokens and
 * the user and password of addresses are cut out. Never throws.
 */
export function describeForLog(thrown: unknown): string {
  return redactAlways(describeThrown(thrown))
}

/**
 * The texts and numbers in a value of any depth, or more of them than {@link createRedaction} takes. This function does not
 * call itself, because the depth comes from a client.
 */
export function textsIn(value: unknown): string[] {
  const texts: string[] = []
  const open: unknown[] = [value]
  while (open.length > 0 && texts.length <= MOST_VALUES) {
    const next = open.pop()
    if (typeof next === 'string' || typeof next === 'number' || typeof next === 'bigint')
      texts.push(String(next))
    else if (typeof next === 'object' && next !== null && !ArrayBuffer.isView(next)) {
      for (const member of Object.values(next) as unknown[]) open.push(member)
    }
  }
  return texts
}

/** Code often changes the case or the Unicode form of a name before it looks for it, and quotes it in JSON or an address. */
function spellingsOf(value: string): string[] {
  const plain = value.trim()
  if (plain === '') return []
  const cases = [plain, plain.toLowerCase(), plain.toUpperCase()]
  const forms = cases.flatMap(text => [
    text,
    text.normalize('NFC'),
    text.normalize('NFD'),
    text.normalize('NFKC'),
  ])
  return forms.flatMap(text => [
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text.toWellFormed()),
  ])
}

function toSearch(spelling: string): string | RegExp {
  if (spelling.length >= MIN_ANYWHERE) return spelling
  const escaped = spelling.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
  return new RegExp(String.raw`(?<![\p{L}\p{N}])${escaped}(?![\p{L}\p{N}])`, 'gu')
}
