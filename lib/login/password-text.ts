/** The forms of Unicode that NIST SP 800-63B 3.1.1.2 names for passwords. */
export type UnicodeNormalization = 'NFKC' | 'NFKD'

/** How a password becomes what is hashed. */
export interface PasswordTextOptions {
  /** One form for all spellings of a character, so that an é logs in from every keyboard. Must be the same for
   *  `hashPassword()` and `passwordCredentials()`. Default: none, the password is taken exactly as received. */
  readonly unicodeNormalization?: UnicodeNormalization | undefined
}

/** Creates the conversion of a password to the text that is hashed. */
export function createPasswordText({
  unicodeNormalization: form,
}: PasswordTextOptions): (password: string) => string {
  return form === undefined ? password => password : password => password.normalize(form)
}
