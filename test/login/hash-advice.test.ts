import { expect, it } from 'vitest'
import { adviseOnHash, adviseOnMissingHash } from '../../lib/login/hash-advice.js'

it.each([
  ['$2b$12$abcdefghijklmnopqrstuuxyz', 'a bcrypt hash'],
  ['$2y$10$abcdefghijklmnopqrstuuxyz', 'a bcrypt hash'],
  ['$scrypt$ln=17,r=8,p=1$c2FsdA$aGFzaA', 'an scrypt hash'],
  ['pbkdf2_sha256$600000$c2FsdA$aGFzaA', 'a PBKDF2 hash'],
  ['$6$salt$hash', 'a hash of crypt()'],
  ['{SSHA}aGFzaA==', 'a hash of a directory (LDAP)'],
  ['5f4dcc3b5aa765d61d8327deb882cf99', 'a digest in hex, such as MD5 or SHA-256'],
  ['$argon2id$v=19$m=19456', 'a damaged argon2 hash'],
  ['plain text', 'no argon2 hash'],
])('the advice on the hash %j names %s, and repeats nothing of it', (hash, kind) => {
  const advice = adviseOnHash('passwordHash', hash)
  expect(advice).toContain(`of a user holds ${kind}, so`)
  expect(advice).not.toContain(hash)
})

it('a user without any hash is no reason for advice', () => {
  expect(adviseOnMissingHash('passwordHash', { email: 'a', password: 'plain' })).toBeUndefined()
})
