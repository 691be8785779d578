import type { Document } from 'mongodb'
import { isOutdatedHash } from '../../login/argon2.js'
import { withDeadline } from '../../util/deadline.js'
import { showCount, showCountOf } from './in-words.js'
import { scan } from './scan.js'
import { notChecked, outOfTime } from './survey.js'
import type { Finding, SurveyLimits, SurveyResult } from './survey.js'
import { adviseOnField, lookAtOne } from './users.js'
import type { UsersTarget } from './users.js'

/** The part of a hash that names its kind and its costs. The salt and the hash itself never leave the server. */
const HEAD = [
  String.raw`\$argon2(?:id|i|d)\$v=\d+\$[mtp=\d,]+(?=\$[\w+/-]{11,}\$[\w+/-]{16,}$)`,
  String.raw`\$2[abxy]?\$\d\d(?=\$[./A-Za-z\d]{53}$)`,
  String.raw`\$?(?:scrypt|pbkdf2)[\w-]*`,
  String.raw`\$[1-9y]\$`,
  String.raw`\$?sha1\$`,
  String.raw`\{[A-Z\d-]+\}`,
].join('|')
/** Digests in hex: MD5, SHA-1, SHA-256, SHA-384 and SHA-512. */
const HEX = '^(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})$'
/** A salt and a hash for a head, because only a whole text has costs that can be read. */
const REST = `$${'A'.repeat(22)}$${'A'.repeat(43)}`
/** OWASP's page on password storage wants 10 or more. */
const MIN_BCRYPT_COST = 10
/** The most kinds that are counted apart. */
const MOST_KINDS = 30

type Verdict = 'good' | 'weak' | 'unsafe' | 'unreadable' | 'missing'

interface Kind {
  readonly name: string
  readonly verdict: Verdict
}

/** A kind, and how many users have it. */
interface CountedKind extends Kind {
  count: number
}

/** Counts the password hashes of users by their kind and costs. */
export async function surveyPasswordHashes(
  { collection, hashField }: UsersTarget,
  limits: SurveyLimits,
): Promise<SurveyResult> {
  const known = new Map<string, Kind>()
  const counted = new Map<string, CountedKind>()
  let count = 0
  const isComplete = await scan(collection, toRow(hashField), limits, row => {
    const key = JSON.stringify([row['type'], row['head'], row['isHex']])
    const kind = known.get(key) ?? classify(row)
    count++
    // Hashes whose costs differ from user to user must not fill the memory.
    if (known.size < MOST_KINDS) known.set(key, kind)
    const { verdict } = kind
    const isListed = counted.has(kind.name) || counted.size < MOST_KINDS
    const name = isListed ? kind.name : `others (${verdict})`
    const one = counted.get(name) ?? { name, verdict, count: 0 }
    one.count++
    counted.set(name, one)
  })
  const kinds = [...counted.values()].sort((one, other) => other.count - one.count)
  const without = kinds.find(({ verdict }) => verdict === 'missing')?.count ?? 0
  const withHash = count - without
  const { namespace } = collection
  const findings = toFindings(kinds, `in "${hashField}" of ${namespace}`)
  if (count > 0 && withHash === 0 && isComplete) {
    const fields = await withDeadline(limits.timeoutMs, signal =>
      lookAtOne(collection, {}, limits.timeoutMs, signal),
    )
    const advice = adviseOnField(hashField, fields ?? [], ['--hash-field', 'hashField'])
    const message = `No user in ${namespace} has a text in "${hashField}", so nobody can log in with a password. ${advice}`
    findings.push({ code: 'hash_field_missing', message })
  }
  if (!isComplete) {
    const read = `only ${showCountOf(count, 'user')} of ${namespace} were read: `
    findings.push(notChecked('All password hashes', read + outOfTime(limits.timeoutMs)))
  }
  return {
    says: `${showCountOf(count, 'user')}, ${showCount(withHash)} with a hash`,
    lines: kinds.map(showKind),
    findings,
    facts: {
      passwordHashes: {
        count,
        isComplete,
        withHash,
        kinds: kinds.map(({ name, verdict, count: n }) => ({ name, verdict, count: n })),
      },
    },
  }
}

function toRow(hashField: string): Document {
  const hash = `$${hashField}`
  const isText = { $eq: [{ $type: hash }, 'string'] }
  const head = { $regexFind: { input: hash, regex: `^(?:${HEAD})` } }
  return {
    _id: 0,
    type: { $cond: [{ $eq: [hash, ''] }, 'missing', { $type: hash }] },
    head: { $cond: [isText, { $let: { vars: { head }, in: '$$head.match' } }, null] },
    isHex: { $cond: [isText, { $regexMatch: { input: hash, regex: HEX } }, false] },
  }
}

function classify(row: Document): Kind {
  const { type, head, isHex } = row as { type: string; head?: string | null; isHex: boolean }
  if (type !== 'string') {
    const isMissing = ['missing', 'null', 'undefined'].includes(type)
    return isMissing
      ? { name: 'without a hash', verdict: 'missing' }
      : { name: `no text (${type})`, verdict: 'unreadable' }
  }
  if (isHex) return { name: 'digest in hex', verdict: 'unsafe' }
  if (typeof head !== 'string') return { name: 'of an unknown kind', verdict: 'unreadable' }
  if (head.startsWith('$argon2')) return ofArgon2(head)
  const [, cost] = /^\$2[abxy]?\$(\d\d)$/.exec(head) ?? []
  if (cost !== undefined) {
    return {
      name: `bcrypt (cost ${Number(cost)})`,
      verdict: Number(cost) < MIN_BCRYPT_COST ? 'weak' : 'good',
    }
  }
  if (/^\$?scrypt/i.test(head)) return { name: 'scrypt', verdict: 'good' }
  if (/^\$?pbkdf2/i.test(head)) return { name: 'PBKDF2', verdict: 'good' }
  if (head.startsWith('{')) return { name: `hash of a directory ${head}`, verdict: 'unsafe' }
  // 5, 6, 7 and y are SHA-256, SHA-512, scrypt and yescrypt with many rounds.
  if (/^\$[567y]\$$/.test(head)) return { name: `crypt() ${head}`, verdict: 'good' }
  return { name: `crypt() ${head}`, verdict: 'unsafe' }
}

function ofArgon2(head: string): Kind {
  const [, variant = '', , costs = ''] = head.split('$')
  const name = `${variant} (${costs})`
  try {
    return { name, verdict: isOutdatedHash(head + REST) ? 'weak' : 'good' }
  } catch {
    // Costs that no library can use, or a library that cannot be loaded here.
    return { name, verdict: 'unreadable' }
  }
}

const ADVICE = {
  unsafe: {
    code: 'password_hash_unsafe',
    says:
      'a hash that was made to be fast. Who gets a copy of the database finds most passwords within hours. Let these users ' +
      'set a new password. Or replace each hash now by an argon2 hash of it, and verify both steps by verifyPassword.',
  },
  weak: {
    code: 'password_hash_weak',
    says:
      'a hash with less memory or work than hashes of today, so guesses are cheap. With upgradeHashes: true of ' +
      'passwordCredentials() each login replaces such a hash.',
  },
  unreadable: {
    code: 'password_hash_unreadable',
    says:
      'a value that is no whole hash of a known kind, so passwordCredentials() cannot log them in. Give a verifyPassword for ' +
      'it, or let these users set a new password.',
  },
} as const

function toFindings(kinds: readonly CountedKind[], place: string): Finding[] {
  return (['unsafe', 'weak', 'unreadable'] as const).flatMap(verdict => {
    const ofVerdict = kinds.filter(kind => kind.verdict === verdict)
    const count = ofVerdict.reduce((sum, kind) => sum + kind.count, 0)
    if (count === 0) return []
    const { code, says } = ADVICE[verdict]
    const have = count === 1 ? 'has' : 'have'
    const named = ofVerdict.map(showKind).join('; ')
    return [{ code, message: `${showCountOf(count, 'user')} ${have} ${place} ${says} By kind: ${named}.` }]
  })
}

function showKind({ name, count }: CountedKind): string {
  return `${showCount(count)} × ${name}`
}
