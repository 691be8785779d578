/** The whole text of a bcrypt hash: the version, the cost, 22 characters of salt and 31 of the hash. */
const BCRYPT = /^\$2[abxy]?\$(\d\d)\$[./A-Za-z\d]{53}$/
/** The bytes of a password that bcrypt reads. It ignores the others. */
const BCRYPT_BYTES = 72

/** Whether a stored hash is one of argon2, which this package verifies itself. */
export function isArgon2Hash(hash: string): boolean {
  return hash.startsWith('$argon2')
}

/** The cost of a bcrypt hash; `undefined` for any other text. Each step of the cost doubles the time. */
export function bcryptCostOf(hash: string): string | undefined {
  return BCRYPT.exec(hash)?.[1]
}

/** Whether a text begins like a bcrypt or argon2 hash and is none. A library refuses such a text without any work. */
export function isDamagedHash(hash: string): boolean {
  if (hash.startsWith('$2')) return bcryptCostOf(hash) === undefined
  return (
    isArgon2Hash(hash) && !/^\$argon2(?:id|i|d)\$v=\d+\$[mtp=\d,]+\$[\w+/-]{11,}\$[\w+/-]{16,}$/.test(hash)
  )
}

/**
 * Whether a bcrypt hash proves all of a password. bcrypt ignores what follows the 72nd byte, and old versions what follows a
 * zero byte. So if 72 bytes were typed, the right password may be longer. Other software puts a mark of its own in front of the
 * hash, such as `{bcrypt}`.
 */
export function provesWhole(hash: string, password: string): boolean {
  if (!/\$2[abxy]?\$/.test(hash)) return true
  return Buffer.byteLength(password) < BCRYPT_BYTES && !password.includes('\0')
}
