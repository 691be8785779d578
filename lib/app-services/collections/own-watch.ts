import { CustomUserDataError } from '../../index.js'
import type { DocumentChange } from '../../index.js'
import { newId } from '../ids.js'
import type { Parts } from '../parts.js'
import { AppServicesError } from '../wire/errors.js'
import { refused, toCollectionError, wrongArgument } from './collection-errors.js'
import { readableFields } from './own-access.js'
import { requireReader } from './own-collection-service.js'
import type { Asking, OwnCollectionService, UserRights } from './own-collection-service.js'
import { isPlainObject } from '../wire/values.js'
import type { PlainObject } from '../wire/values.js'

type WatchParts = Pick<Parts, 'config' | 'userData' | 'extendedJson'> & { readonly signal: AbortSignal }

/**
 * Follows the user's own document. Each event holds only the fields that the user may read at that time.
 *
 * @throws AppServicesError `NoMatchingRuleFound` if the user may not read the document; `MongoDBError` for a filter
 */
export async function watchOwnDocument(
  own: OwnCollectionService,
  asking: Asking,
  { ids, filter }: PlainObject,
  { config, userData, extendedJson, signal }: WatchParts,
): Promise<AsyncIterable<unknown>> {
  if (filter !== undefined && !(isPlainObject(filter) && Object.keys(filter).length === 0))
    throw refused('a filter of watch() is not supported: look at the events in the client')
  if (ids !== undefined && !Array.isArray(ids)) throw wrongArgument('"ids" must be a list')
  const wanted = ids && new Set((ids as unknown[]).map(id => extendedJson.stringify(id)))
  const { database: db = '', collection: coll = '' } = config.customData ?? {}
  try {
    const rights = await own.rights(asking)
    const document = userData.forUser(asking.caller.userId)
    requireReader(rights.on(rights.areByRoles ? await document.read() : undefined))
    const changes = await document.watch({ signal })
    return toEvents(changes, {
      ns: { db, coll },
      rights,
      isWanted: id => !wanted || wanted.has(extendedJson.stringify(id)),
    })
  } catch (error) {
    throw isNeverFollowed(error, userData)
      ? new AppServicesError('ServiceCommandNotFound', 'this service cannot follow changes', { cause: error })
      : toCollectionError(error)
  }
}

/** Whether changes are never followed here. Waiting does not help then, so the client must not be told to come back. */
function isNeverFollowed(error: unknown, userData: Parts['userData']): boolean {
  if (!(error instanceof CustomUserDataError) || error.code !== 'changes_unavailable') return false
  return ['off', 'unavailable'].includes(userData.stats().changeStreams.custom_data)
}

interface EventSettings {
  readonly ns: PlainObject
  readonly rights: UserRights
  readonly isWanted: (documentId: unknown) => boolean
}

async function* toEvents(
  changes: AsyncIterable<DocumentChange<object>>,
  { ns, rights, isWanted }: EventSettings,
): AsyncGenerator {
  for await (const change of changes) {
    if (!isWanted(change.documentId)) continue
    const event = toEvent(change, rights)
    // A resume token, which clients show but cannot use here.
    if (event) yield { _id: { _data: newId() }, ns, ...event }
  }
}

/** The event as App Services sent it; `undefined` if the user may read nothing of it. */
function toEvent(change: DocumentChange<object>, rights: UserRights): PlainObject | undefined {
  const { operationType, documentId } = change
  const permissions = rights.on(operationType === 'delete' ? undefined : change.document)
  if (!permissions.readsAny) return undefined
  const isIdShown = permissions.mayAsk('_id')
  const event = { operationType, documentKey: isIdShown ? { _id: documentId } : {} }
  if (operationType === 'delete') return event
  const fullDocument = readableFields(change.document, permissions)
  if (operationType === 'insert') return { ...event, fullDocument }
  const updatedFields = readableFields(change.updatedFields, permissions)
  const removedFields = change.removedFields.filter(permissions.mayRead)
  if (Object.keys(updatedFields).length === 0 && removedFields.length === 0) return undefined
  return { ...event, fullDocument, updateDescription: { updatedFields, removedFields } }
}
