import type { WarningEvent } from '../events.js'
import type { UserDocuments } from '../documents/user-documents.js'
import { toFilter } from '../documents/find-document.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import { createContextKeeper } from '../util/async-context.js'
import { lookInTime } from './check.js'
import type { CheckLimits, CheckTarget } from './check.js'
import type { SetUpWarnings } from './set-up-warnings.js'
import { hasIdOf } from './stored-ids.js'

/** A shorter id may be another user's by chance. */
const MIN_LENGTH = 8
/** The most users whose ids are looked for in another spelling. Each costs a query. */
const MOST_LOOKED_FOR = 20
/** So many users without a document are no accident, if no document could ever be theirs. */
const ENOUGH = 3

const OBJECT_ID_HEX = /^[0-9a-f]{24}$/

interface MissedUsersConfig {
  readonly userIdField: string
  readonly toFieldValues?: unknown
  readonly loadTimeoutMs: number
  /** The prefixes of the issuers whose users are looked for without it too. Empty if ids without a prefix are users' ids. */
  readonly prefixes: readonly string[]
}

interface MissedUsersParts {
  readonly database: TeamDatabase
  readonly documents: Pick<UserDocuments, 'values'>
  readonly warnings: Pick<SetUpWarnings, 'isWanted' | 'once'>
}

/** Another spelling of a user's id that a document may have. */
interface Spelling {
  readonly id: string
  readonly differs: string
  readonly instead: string
}

/**
 * Checks whether users have no document because the ids of their tokens are written in another way than the ids of documents.
 * A new user has no document either. So a document must have the id in another spelling, or the ids of several users must be of
 * a kind that no document has.
 */
export class MissedUsers {
  readonly #parts: MissedUsersParts
  readonly #config: MissedUsersConfig
  readonly #missed = new Set<string>()
  readonly #outsideRequests = createContextKeeper()
  #hasFound = false
  #hasLookedAtTypes = false

  constructor(parts: MissedUsersParts, config: MissedUsersConfig) {
    this.#parts = parts
    this.#config = config
  }

  /** A load has found the document of a user, so the ids of some users are right. */
  found(): void {
    this.#hasFound = true
  }

  /** A load has found no document for a user. Looks in the background. */
  missed(userId: string): void {
    const { toFieldValues } = this.#config
    if (toFieldValues !== undefined || !this.#parts.warnings.isWanted('user_id_never_found')) return
    if (this.#missed.size >= MOST_LOOKED_FOR || this.#missed.has(userId)) return
    this.#missed.add(userId)
    // An outage is an error of the loads, and the next user is looked for again.
    this.#outsideRequests(() => this.#look(userId)).catch(() => undefined)
  }

  async #look(userId: string): Promise<void> {
    const found = await lookInTime(this.#config.loadTimeoutMs, async limits => {
      const target = await this.#target()
      const warning =
        (await this.#findSpelling(userId, target, limits)) ?? (await this.#findType(target, limits))
      return warning ? [warning] : []
    })
    for (const warning of found) this.#parts.warnings.once(warning)
  }

  async #target(): Promise<CheckTarget> {
    const { userIdField } = this.#config
    const open = await this.#parts.database.open()
    return { ...open, userIdField, hasToFieldValues: false, ownCollections: [] }
  }

  async #findSpelling(
    userId: string,
    target: CheckTarget,
    limits: CheckLimits,
  ): Promise<WarningEvent | undefined> {
    for (const { id, differs, instead } of this.#spellingsOf(userId)) {
      if (!(await this.#exists(id, target, limits))) continue
      const message =
        `A user has the id ${JSON.stringify(userId)}, and no document of ${target.collection.namespace} has it in ` +
        `"${target.userIdField}". A document has ${JSON.stringify(id)}, which differs ${differs}. Ids are compared exactly, so ` +
        `the user has no custom data. ${instead}`
      return { code: 'user_id_never_found', message, userId }
    }
    return undefined
  }

  #spellingsOf(userId: string): readonly Spelling[] {
    const prefix = this.#config.prefixes.find(start => userId.startsWith(start)) ?? ''
    const spellings = [
      {
        id: userId.toLowerCase(),
        differs: 'only in capital letters',
        instead:
          'Write one form everywhere: in the sub of tokens, in userId of attach(), and in the documents.',
      },
      {
        id: userId.slice(prefix.length),
        differs: `only in the prefix ${JSON.stringify(prefix)} of the trusted issuer`,
        instead: "Write userIdPrefix: '' for this issuer, or store the ids with the prefix.",
      },
    ]
    return spellings.filter(({ id }) => id !== userId && id.length >= MIN_LENGTH)
  }

  async #exists(
    id: string,
    { collection, userIdField }: CheckTarget,
    { timeoutMs: maxTimeMS, signal }: CheckLimits,
  ): Promise<boolean> {
    const values = await this.#parts.documents.values(id, signal)
    const options = {
      ...PLAIN_BSON,
      projection: { _id: 1 },
      collation: { locale: 'simple' },
      readPreference: 'primary',
      maxTimeMS,
      signal,
    } as const
    return (await collection.findOne(toFilter({ userIdField, values }), options)) !== null
  }

  #hasFoundMeanwhile(): boolean {
    return this.#hasFound
  }

  /** ObjectIds belong to users whose ids are 24 lower-case hex digits. */
  async #findType(target: CheckTarget, limits: CheckLimits): Promise<WarningEvent | undefined> {
    if (this.#hasFound || this.#hasLookedAtTypes || this.#missed.size < ENOUGH) return undefined
    this.#hasLookedAtTypes = true
    if ([...this.#missed].some(id => OBJECT_ID_HEX.test(id))) return undefined
    const isOfObjectIds =
      (await hasIdOf(['objectId'], target, limits)) && !(await hasIdOf(['string'], target, limits))
    if (!isOfObjectIds || this.#hasFoundMeanwhile()) return undefined
    const { collection, userIdField } = target
    const [userId = ''] = this.#missed
    const message =
      `The first ${this.#missed.size} users have ids such as ${JSON.stringify(userId)}, and the field "${userIdField}" of ` +
      `${collection.namespace} holds only ObjectIds. An ObjectId is the id of a user whose id is its 24 hex digits, so these ` +
      'users have no custom data. Let the tokens name the ObjectId: verifyCredentials returns { id: String(user._id) }, or ' +
      'attach({ userId: req => String(req.user._id) }). Or give the field that holds such ids by the option userIdField.'
    return { code: 'user_id_never_found', message, userId }
  }
}
