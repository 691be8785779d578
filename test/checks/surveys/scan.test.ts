import { describe, expect, it } from 'vitest'
import { surveyDocuments } from '../../../lib/checks/surveys/documents.js'
import { surveyPasswordHashes } from '../../../lib/checks/surveys/password-hashes.js'
import { openProxiedDatabase, useDatabase } from '../../support/database.js'

const database = useDatabase()
const MANY = 12_000
const noProgress = () => undefined

async function fill(name: string): Promise<void> {
  const documents = Array.from({ length: MANY }, (_user, n) => ({
    userId: `user-${n}`,
    passwordHash: '$2b$06$',
  }))
  await database.db.collection(name).insertMany(documents)
}

describe('a scan of many documents', () => {
  it('reports its progress, and counts all', async () => {
    await fill('all')
    const collection = database.db.collection('all')
    const target = { collection, userIdField: 'userId', hasToFieldValues: false, maxDocumentBytes: 1_000 }
    const reports: [number, number | undefined][] = []
    const progress = (done: number, total: number | undefined) => void reports.push([done, total])
    const { facts, findings } = await surveyDocuments(target, { timeoutMs: 60_000, progress })
    expect(findings).toEqual([])
    expect(facts).toMatchObject({ documents: { count: MANY, isComplete: true } })
    expect(reports).toEqual([
      [5_000, MANY],
      [10_000, MANY],
      [MANY, MANY],
    ])
  })

  it('that runs out of time says so, says how far it came, and keeps what it has found', async () => {
    await fill('slow')
    await database.db.collection('slow').insertOne({ userId: 7 })
    const { db, proxy } = await openProxiedDatabase(database)
    const collection = db.collection('slow')
    const target = { collection, userIdField: 'userId', hasToFieldValues: false, maxDocumentBytes: 10 }
    const limits = { timeoutMs: 3_000, progress: () => proxy.holdAnswers() }
    const { facts, findings, says } = await surveyDocuments(target, limits)
    expect(facts).toMatchObject({ documents: { count: 5_000, isComplete: false } })
    expect(findings.map(({ code }) => code)).toEqual(['document_over_limit', 'not_checked'])
    expect(findings[1]?.message).toContain('only 5,000 documents of')
    expect(findings[1]?.message).toContain('Give more time by --timeout-ms.')
    expect(says).toContain('5,000')
  })

  it('of password hashes that runs out of time does not say that a field is missing', async () => {
    await fill('users')
    const { db, proxy } = await openProxiedDatabase(database)
    const target = { collection: db.collection('users'), usernameField: 'email', hashField: 'nothing' }
    const { findings } = await surveyPasswordHashes(target, {
      timeoutMs: 3_000,
      progress: () => proxy.holdAnswers(),
    })
    expect(findings.map(({ code }) => code)).toEqual(['not_checked'])
  })
})

describe('the kind of a password hash', () => {
  const rest = `$${'a'.repeat(22)}$${'b'.repeat(43)}`
  it.each([
    [`$argon2id$v=19$m=19456,t=2,p=1${rest}`, 'argon2id (m=19456,t=2,p=1)', 'good'],
    [`$argon2id$v=19$m=65536,t=1,p=4${rest}`, 'argon2id (m=65536,t=1,p=4)', 'good'],
    [`$argon2id$v=19$m=4096,t=3,p=1${rest}`, 'argon2id (m=4096,t=3,p=1)', 'weak'],
    [`$argon2i$v=19$m=65536,t=3,p=1${rest}`, 'argon2i (m=65536,t=3,p=1)', 'weak'],
    ['$argon2id$v=19$m=19456,t=2,p=1$abc', 'of an unknown kind', 'unreadable'],
    [`$2b$12$${'a'.repeat(53)}`, 'bcrypt (cost 12)', 'good'],
    [`$2y$08$${'a'.repeat(53)}`, 'bcrypt (cost 8)', 'weak'],
    [`$2b$12$${'a'.repeat(50)}`, 'of an unknown kind', 'unreadable'],
    ['$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4', 'scrypt', 'good'],
    ['pbkdf2_sha256$600000$salt$hash', 'PBKDF2', 'good'],
    ['$6$salt$hash', 'crypt() $6$', 'good'],
    ['$1$salt$hash', 'crypt() $1$', 'unsafe'],
    ['{SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3', 'hash of a directory {SSHA}', 'unsafe'],
    ['5f4dcc3b5aa765d61d8327deb882cf99', 'digest in hex', 'unsafe'],
    ['5E884898DA28047151D0E56F8DC6292773603D0D6AABBDD62A11EF721D1542D8', 'digest in hex', 'unsafe'],
    ['correct horse battery staple', 'of an unknown kind', 'unreadable'],
    ['', 'without a hash', 'missing'],
    [null, 'without a hash', 'missing'],
    [['$2b$12$'], 'no text (array)', 'unreadable'],
    [17, 'no text (int)', 'unreadable'],
  ])('%j is %s, %s', async (passwordHash, name, verdict) => {
    const collection = database.db.collection('kinds')
    await collection.deleteMany({})
    await collection.insertOne({ email: 'alice@example.com', passwordHash })
    const target = { collection, usernameField: 'email', hashField: 'passwordHash' }
    const { facts } = await surveyPasswordHashes(target, { timeoutMs: 60_000, progress: noProgress })
    expect(facts).toMatchObject({ passwordHashes: { kinds: [{ name, verdict, count: 1 }] } })
  })

  it('fills no memory if each user has costs of its own', async () => {
    const collection = database.db.collection('many_kinds')
    await collection.insertMany(
      Array.from({ length: 200 }, (_user, n) => ({
        passwordHash: `$argon2id$v=19$m=${20_000 + n},t=2,p=1${rest}`,
      })),
    )
    const target = { collection, usernameField: 'email', hashField: 'passwordHash' }
    const { facts, lines } = await surveyPasswordHashes(target, { timeoutMs: 60_000, progress: noProgress })
    expect(facts).toMatchObject({ passwordHashes: { count: 200, withHash: 200 } })
    expect(lines?.length).toBeLessThan(40)
    expect(lines).toContain('170 × others (good)')
  })
})
