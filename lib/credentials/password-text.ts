import { OptionError } from '../errors.js'

/** The forms of Unicode that NIST SP 800-63B 3.1.1.2 names for passwords. */
export type UnicodeNormalization = 'NFKC' | 'NFKD'

/** How a password becomes what is hashed. */
export interface PasswordTextOptions {
  /** One form for all spellings of a character, so that an é logs in from every keyboard. Must be the same for
   *  `hashPassword()` and `passwordCredentials()`. Default: none, the password is taken exactly as received. */
  readonly unicodeNormalization?: UnicodeNormalization | undefined
}

/** What is hashed of a password, as the options of `caller` say. Throws an `OptionError` where they say nonsense. */
export function createPasswordText(
  caller: string,
  { unicodeNormalization: form }: PasswordTextOptions,
): (password: string) => string {
  if (form === undefined) return password => password
  if (['NFKC', 'NFKD'].includes(form)) return password => password.normalize(form)
  throw new OptionError(`${caller}: "unicodeNormalization" must be 'NFKC' or 'NFKD', or be left out.`)
}
