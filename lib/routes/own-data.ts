import { Router } from 'express'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import type { RequestUsers } from '../authenticate/request-users.js'
import { OwnFields } from '../writing/own-fields.js'
import type { OwnChange, OwnFieldsConfig, OwnView, ToLoaded } from '../writing/own-fields.js'
import type { UserDocuments } from '../documents/user-documents.js'
import type { Writer } from '../writing/writer.js'
import { requireTeamBson } from '../mongo/team-bson.js'
import type { TeamBson } from '../mongo/team-bson.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import { CustomUserDataError, toCallbackError } from '../errors.js'
import type { Events } from '../events.js'
import { toShownAddress } from '../util/client-address.js'
import { createRedaction } from '../util/redaction.js'
import { secretsOf } from '../util/request-secrets.js'
import { toShownText } from '../util/shown-text.js'
import { failedPrecondition, hasPreconditions, toEntityTag } from './entity-tag.js'
import { refusedFields, toAllowedValues, toFieldChange } from './own-data-change.js'
import type { OwnDataMethod } from './own-data-change.js'
import { createOwnDataFormats } from './own-data-formats.js'
import type { OwnDataFormat } from './own-data-formats.js'
import { parseOwnDataOptions } from './own-data-options.js'
import type { OwnDataConfig, OwnDataOptions } from './own-data-options.js'
import { createContentCheck } from './own-data-content.js'
import { answerMethods } from './methods.js'
import { createBodyReader } from './request-body.js'
import type { RequestBody } from './request-body.js'

/** The most names of refused fields in an event, and the length of a name in it: both come from the client. */
const MAX_FIELDS = 10
const MAX_FIELD_LENGTH = 64

interface OwnDataParts {
  readonly documents: UserDocuments
  readonly writer: Writer
  readonly requestUsers: Pick<RequestUsers, 'require' | 'replaceData'>
  readonly bson: TeamBson | undefined
  readonly events: Pick<Events, 'emit'>
  /** Notes the rights that the route needs at MongoDB. */
  readonly noteRights: (mayCreate: boolean) => void
}

/**
 * Creates a user's access to their own data. Mount it behind a guard of this instance: it acts on the user whom the guard
 * let in. `GET /` reads the allowed fields from MongoDB. `PATCH /` sets the fields in the body (`null` is a value like any
 * other, and an object replaces the stored object). `PUT /` replaces all allowed fields and no others. Each answer has an
 * `ETag` for `If-Match`, so that one device does not undo the change of another. Other methods are answered with 405.
 */
export function createOwnDataRouter(
  config: OwnFieldsConfig & { readonly extendedJson: ExtendedJsonFormat | false },
  parts: OwnDataParts,
  options: OwnDataOptions,
): Router {
  const userIdOf = (req: Request): string => parts.requestUsers.require('ownData()', req).id
  const allowed = parseOwnDataOptions(options, config)
  const bson = requireTeamBson(parts.bson, 'ownData()')
  parts.noteRights(allowed.upsert)
  const formats = createOwnDataFormats(allowed.extendedJson, bson)
  const mediaTypes = formats.all.map(({ mediaType }) => mediaType)
  const requireContent = createContentCheck(mediaTypes)
  const own = new OwnFields(config, [...allowed.fields], { ...parts, bson })
  // A `PUT` of `{}` removes all fields, so an empty body must not be read as `{}`.
  const readBody = createBodyReader({ json: mediaTypes, form: false, refusesEmpty: true })

  function reportRefusedFields(req: Request, userId: string, names: readonly string[]): void {
    if (names.length === 0) return
    const redact = createRedaction(secretsOf(req, [], undefined))
    const fields = names.slice(0, MAX_FIELDS).map(name => toShownText(redact(name), MAX_FIELD_LENGTH))
    parts.events.emit('fields_refused', { userId, fields, address: toShownAddress(req.ip) })
  }

  async function readStored(req: Request): Promise<Fields> {
    const view = await own.read(userIdOf(req))
    if (!view) throw notFound()
    const { mediaType, toText } = formats.ofAnswer(req)
    return { mediaType, text: toText(view) }
  }

  const read: RequestHandler = (req, res, next) => {
    if (formats.all.length > 1) res.vary('Accept')
    answer(next, async () => {
      const fields = await readStored(req)
      // A reader may keep the fields only in the format that it would get now.
      const status = failedPrecondition(req, [toEntityTag(fields.text)])
      if (status === 412) throw changed()
      if (status === 304) setCacheHeaders(res, fields).status(304).end()
      else send(res, fields)
    })
  }

  const change =
    (method: OwnDataMethod): RequestHandler =>
    (req, res, next) => {
      answer(next, async () => {
        const userId = userIdOf(req)
        requireContent(req)
        const format = formats.ofBody(req)
        const body = await readBody(req, res)
        reportRefusedFields(req, userId, refusedFields(body, allowed.fields))
        const toValues = (): RequestBody => toAllowedValues(body, allowed.fields, format)
        // Conditions come before the content (RFC 9110 13.2.1). Without any, MongoDB is not asked for a body that is refused.
        const checked = hasPreconditions(req) ? undefined : toValues()
        const done = await own.write(userId, (view, toLoaded) => {
          const attempt = { req, toValues: () => checked ?? toValues(), view, toLoaded, format }
          return decide(method, attempt, allowed, formats.all)
        })
        if (done.written) {
          const kind = method === 'PUT' ? 'replace' : 'update'
          parts.events.emit('written', { userId, by: 'ownData', change: done.created ? 'create' : kind })
        }
        // Handlers that run later in the same request see the new data.
        if (done.loaded) parts.requestUsers.replaceData(req, done.loaded.data)
        res.status(done.created ? 201 : 200)
        const answerFormat = formats.ofAnswer(req)
        // A write gives the fields without their exact types, so these are read.
        if (answerFormat.needsExactTypes) send(res, await readStored(req))
        else {
          const { mediaType, toText } = answerFormat
          send(res, { mediaType, text: toText({ plain: done.plain, exact: done.plain }) })
        }
      })
    }

  const router = Router()
  router.get('/', read)
  router.patch('/', change('PATCH'))
  router.put('/', change('PUT'))
  router.all('/', answerMethods('GET, HEAD, PATCH, PUT, OPTIONS', { 'Accept-Patch': mediaTypes.join(', ') }))
  return router
}

/** The fields as they are sent. */
interface Fields {
  readonly mediaType: string
  readonly text: string
}

interface Attempt {
  readonly req: Request
  readonly toValues: () => RequestBody
  readonly view: OwnView | undefined
  readonly toLoaded: ToLoaded
  readonly format: OwnDataFormat
}

/** The change that a request makes to the stored fields. Throws if the conditions of the request do not hold for them. */
async function decide(
  method: OwnDataMethod,
  { req, toValues, view, toLoaded, format }: Attempt,
  config: OwnDataConfig,
  formats: readonly OwnDataFormat[],
): Promise<OwnChange> {
  if (!view && !config.upsert) throw notFound()
  // A client may have read the fields in another format.
  const tags = view && hasPreconditions(req) ? formats.map(({ toText }) => toEntityTag(toText(view))) : []
  if (failedPrecondition(req, tags) !== undefined) throw changed()
  const change = await toFieldChange(method, toValues(), view, { ...config, toLoaded }, format)
  const hasSchema = config.schema !== undefined || config.fieldSchemas.size > 0
  return { ...change, dependsOnFields: hasPreconditions(req) || hasSchema }
}

function answer(next: NextFunction, run: () => Promise<void>): void {
  run().catch((error: unknown) => {
    next(toCallbackError('ownData', error))
  })
}

function send(res: Response, fields: Fields): void {
  setCacheHeaders(res, fields).type(fields.mediaType).send(fields.text)
}

function setCacheHeaders(res: Response, { text }: Fields): Response {
  return res.set({ 'Cache-Control': 'no-store', ETag: toEntityTag(text) })
}

function notFound(): CustomUserDataError {
  return new CustomUserDataError('custom_data_not_found', 'You have no custom data.')
}

function changed(): CustomUserDataError {
  const message = 'The data has changed since you read it. Read it again.'
  return new CustomUserDataError('precondition_failed', message)
}
