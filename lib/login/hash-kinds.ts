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

/** The whole text of an argon2 hash: a PHC string. */
const ARGON2 = /^\$argon2(?:id|i|d)\$v=\d+\$[mtp=\d,]+\$[\w+/-]{11,}\$[\w+/-]{16,}$/
/** The shortest hash that software still has: crypt() of 1970. */
const SHORTEST_HASH = 13

/**
 * Says why a text is surely no hash; `undefined` if it may be one. A library refuses such a text without any work. A team may
 * have hashes of a kind that this package does not know, so any other text counts as a hash.
 */
export function explainNoHash(hash: string): string | undefined {
  const cost = bcryptCostOf(hash)
  if (cost !== undefined && (Number(cost) < 4 || Number(cost) > 31)) {
    return `bcrypt has the costs 4 to 31, and this hash has ${Number(cost)}`
  }
  const isDamaged =
    (hash.startsWith('$2') && cost === undefined) || (isArgon2Hash(hash) && !ARGON2.test(hash))
  const isOther = hash.length < SHORTEST_HASH || /\s/.test(hash)
  return isDamaged || isOther ? 'this is no whole hash' : undefined
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
