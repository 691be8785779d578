/** The forms of Unicode that NIST SP 800-63B 3.1.1.2 names for passwords. */
export type UnicodeNormalization = 'NFKC' | 'NFKD'

/** Options for the text that is hashed. */
export interface PasswordTextOptions {
  /**
   * The Unicode form to which passwords are converted, so that an `é` is the same from every keyboard. Give the same form to
   * `hashPassword()` and `passwordCredentials()`.
   * @default undefined, which hashes the password exactly as received
   */
  readonly unicodeNormalization?: UnicodeNormalization | undefined
}

/** Creates the conversion of a password to the text that is hashed. */
export function createPasswordText({
  unicodeNormalization: form,
}: PasswordTextOptions): (password: string) => string {
  return form === undefined ? password => password : password => password.normalize(form)
}
