import type { RequestFacts, UserDocument } from '../../index.js'
import { OptionError } from '../../index.js'
import type { Parts } from '../parts.js'
import { requireUser } from '../router/callers.js'
import type { Caller } from '../router/callers.js'
import { limitTo, NONE, READ, READ_WRITE, toVisibleFields } from '../rules/permissions.js'
import type { Permissions, VisibleFields } from '../rules/permissions.js'
import { Roles } from '../rules/roles.js'
import { toUserObject } from '../users/user-object.js'
import { notPermitted, toCollectionError } from './collection-errors.js'
import type { ParsedCustomData } from './collections-schema.js'
import type { OperationName } from './operation-arguments.js'
import type { OwnAccess } from './own-access.js'
import { aggregate, count, find, findOne } from './own-reads.js'
import {
  deleteOne,
  findOneAndDelete,
  findOneAndReplace,
  findOneAndUpdate,
  insertMany,
  insertOne,
  updateOne,
} from './own-writes.js'
import type { PlainObject } from '../wire/values.js'

type ServiceParts = Pick<Parts, 'userData' | 'users' | 'bson'>
type Operation = (access: OwnAccess, args: PlainObject) => Promise<unknown>

const READS = { find, findOne, count, aggregate }
/** A user has one document, so the operations on many documents are those on one. */
const WRITES = {
  findOneAndUpdate,
  findOneAndReplace,
  findOneAndDelete,
  insertOne,
  insertMany,
  updateOne,
  updateMany: updateOne,
  deleteOne,
  deleteMany: deleteOne,
}
const OPERATIONS: Readonly<Record<Exclude<OperationName, 'watch'>, Operation>> = { ...READS, ...WRITES }

/** Who asks, and by which request. */
export interface Asking {
  readonly caller: Caller
  readonly request: RequestFacts
}

/** The rights of one user, at any state of the document. */
export interface UserRights {
  /** The rights on the document; without one, the rights to ask for it. */
  readonly on: (document: object | undefined) => Permissions
  /** The rights to create the document. */
  readonly onNew: (document: object) => Permissions
  /** Whether the rights depend on the user and the document. */
  readonly areByRoles: boolean
}

/** The collection of custom data, as clients reach it. Every operation is pinned to the document of its user. */
export class OwnCollectionService {
  readonly #parts: ServiceParts
  readonly #rules: Roles | Permissions
  readonly #options: Parts['userData']['settings']
  readonly #visible: VisibleFields

  /** @throws OptionError for a mistake in the rules */
  constructor({ rules, database, collection }: ParsedCustomData, parts: ServiceParts) {
    this.#parts = parts
    this.#options = parts.userData.settings
    this.#visible = toVisibleFields(this.#options.projection)
    if (typeof rules === 'string') {
      this.#rules = rules === 'read' ? READ : READ_WRITE
      return
    }
    if (rules.database !== database || rules.collection !== collection)
      throw new OptionError(
        `createAppServices(): option "customData.rules": the rules are for "${rules.database}.${rules.collection}", ` +
          `but "customData" names "${database}.${collection}": write the same names in both.`,
      )
    this.#rules = new Roles(rules, this.#options.userIdField)
  }

  /**
   * Runs an operation.
   * @throws AppServicesError
   */
  async run(operation: Exclude<OperationName, 'watch'>, asking: Asking, args: PlainObject): Promise<unknown> {
    const { userId } = asking.caller
    const document = this.#parts.userData.forUser(userId)
    try {
      const rights = await this.rights(asking)
      // The access token of a user who was deleted works for up to 30 minutes, and must not store a document again.
      if (operation in WRITES && !rights.areByRoles) await requireUser(this.#parts.users, userId)
      const isNeeded = rights.areByRoles || operation in WRITES
      const stored = isNeeded ? await document.read() : undefined
      const access = this.#toAccess(userId, document, stored, rights)
      return await OPERATIONS[operation](access, args)
    } catch (error) {
      throw toCollectionError(error)
    }
  }

  /**
   * Finds the rights of a user.
   * @throws AppServicesError `InvalidSession` if the user was deleted: an operation must not create a document for this user again
   */
  async rights({ caller, request }: Asking): Promise<UserRights> {
    const rules = this.#rules
    const user = await requireUser(this.#parts.users, caller.userId)
    if (!(rules instanceof Roles)) {
      const permissions = limitTo(rules, this.#visible)
      return { on: () => permissions, onNew: () => permissions, areByRoles: false }
    }
    const facts = (document: object | undefined, customData = document) => ({
      user: toUserObject(user, customData ?? {}, caller.type),
      document,
      request,
    })
    return {
      on: document => limitTo(rules.find(facts(document)) ?? NONE, this.#visible),
      // A user who creates the document has no custom data yet.
      onNew: document => limitTo(rules.findForNew(facts(document, {})) ?? NONE, this.#visible),
      areByRoles: true,
    }
  }

  #toAccess(
    userId: string,
    document: UserDocument<object>,
    stored: object | undefined,
    rights: UserRights,
  ): OwnAccess {
    return {
      userId,
      document,
      stored,
      permissions: rights.on(stored),
      permissionsForNew: rights.onNew,
      inspectsNewDocuments: this.#rules instanceof Roles && this.#rules.inspectNewDocuments,
      options: this.#options,
      bson: this.#parts.bson,
    }
  }
}

/** @throws AppServicesError if the user may read no field of the document */
export function requireReader(permissions: Permissions): void {
  if (!permissions.readsAny) throw notPermitted('the document may not be read')
}
