import { Router } from 'express'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import type { RequestUsers } from '../authenticate/request-users.js'
import { OwnFields } from '../writing/own-fields.js'
import type { OwnChange, OwnFieldsConfig, OwnView } from '../writing/own-fields.js'
import type { UserDocuments } from '../documents/user-documents.js'
import type { Writer } from '../writing/writer.js'
import { requireTeamBson } from '../mongo/team-bson.js'
import type { TeamBson } from '../mongo/team-bson.js'
import { CustomUserDataError, toCallbackError } from '../errors.js'
import { hasPreconditions, meetsPreconditions, toEntityTag } from './entity-tag.js'
import { parseOwnDataOptions, toAllowedValues, toFieldChange } from './own-data-change.js'
import type { OwnDataConfig, OwnDataMethod, OwnDataOptions } from './own-data-change.js'
import { createOwnDataFormats } from './own-data-formats.js'
import type { OwnDataFormat } from './own-data-formats.js'
import { createBodyReader } from './request-body.js'
import type { RequestBody } from './request-body.js'

interface OwnDataParts {
  readonly documents: UserDocuments
  readonly writer: Writer
  readonly requestUsers: Pick<RequestUsers, 'require' | 'replaceData'>
  readonly bson: TeamBson | undefined
  /** Notes the rights that the route needs at MongoDB. */
  readonly noteRights: (mayCreate: boolean) => void
}

/**
 * Creates a user's access to their own data. Mount it behind a guard of this instance: it acts on the user whom the guard
 * let in. `GET /` reads the allowed fields from MongoDB. `PATCH /` sets the fields in the body (`null` is a value like any
 * other). `PUT /` replaces all allowed fields and no others. Each answer has an `ETag` for `If-Match`, so that one device
 * does not undo the change of another.
 */
export function createOwnDataRouter(
  config: OwnFieldsConfig,
  parts: OwnDataParts,
  options: OwnDataOptions,
): Router {
  const userIdOf = (req: Request): string => parts.requestUsers.require('ownData()', req).id
  const allowed = parseOwnDataOptions(options, config.userIdField)
  const bson = requireTeamBson(parts.bson, 'ownData()')
  parts.noteRights(allowed.upsert)
  const formats = createOwnDataFormats(allowed.extendedJson, bson)
  const mediaTypes = formats.all.map(({ mediaType }) => mediaType)
  const own = new OwnFields(config, [...allowed.fields], { ...parts, bson })
  // A `PUT` of `{}` removes all fields, so an empty body must not be read as `{}`.
  const readBody = createBodyReader({ json: mediaTypes, form: false, refusesEmpty: true })

  async function sendStored(req: Request, res: Response): Promise<void> {
    const view = await own.read(userIdOf(req))
    if (!view) throw notFound()
    const { mediaType, toText } = formats.ofAnswer(req)
    send(res, mediaType, toText(view))
  }

  const read: RequestHandler = (req, res, next) => {
    if (formats.all.length > 1) res.vary('Accept')
    answer(next, () => sendStored(req, res))
  }

  const change =
    (method: OwnDataMethod): RequestHandler =>
    (req, res, next) => {
      answer(next, async () => {
        const userId = userIdOf(req)
        requireMediaType(req, mediaTypes)
        const format = formats.ofBody(req)
        const values = toAllowedValues(await readBody(req, res), allowed, format)
        const done = await own.write(userId, view =>
          decide(method, { req, values, view, format }, allowed, formats.all),
        )
        // Handlers that run later in the same request see the new data.
        if (done.loaded) parts.requestUsers.replaceData(req, done.loaded.data)
        res.status(done.created ? 201 : 200)
        const answerFormat = formats.ofAnswer(req)
        // A write gives the fields without their exact types, so these are read.
        if (answerFormat.needsExactTypes) await sendStored(req, res)
        else send(res, answerFormat.mediaType, answerFormat.toText({ plain: done.plain, exact: done.plain }))
      })
    }

  const router = Router()
  router.get('/', read)
  router.patch('/', change('PATCH'))
  router.put('/', change('PUT'))
  return router
}

interface Attempt {
  readonly req: Request
  readonly values: RequestBody
  readonly view: OwnView | undefined
  readonly format: OwnDataFormat
}

/** The change that a request makes to the stored fields. Throws if the conditions of the request do not hold for them. */
async function decide(
  method: OwnDataMethod,
  { req, values, view, format }: Attempt,
  config: OwnDataConfig,
  formats: readonly OwnDataFormat[],
): Promise<OwnChange> {
  if (!view && !config.upsert) throw notFound()
  // A client may have read the fields in another format.
  const tags = view && hasPreconditions(req) ? formats.map(({ toText }) => toEntityTag(toText(view))) : []
  if (!meetsPreconditions(req, tags)) throw changed()
  const change = await toFieldChange(method, values, view, config, format)
  return { ...change, dependsOnFields: hasPreconditions(req) || config.schema !== undefined }
}

function answer(next: NextFunction, run: () => Promise<void>): void {
  run().catch((error: unknown) => {
    next(toCallbackError('ownData', error))
  })
}

/** Refuses `application/merge-patch+json` too, because `null` removes a field there, and is a value here. */
function requireMediaType(req: Request, mediaTypes: string[]): void {
  if (req.headers['content-length'] === '0') throw noContent()
  if (req.is(mediaTypes) !== false) return
  const error = new CustomUserDataError('unsupported_media_type', `Send ${mediaTypes.join(' or ')}.`)
  error.headers['Accept'] = mediaTypes.join(', ')
  throw error
}

/** Sends the fields with their tag. If `If-None-Match` of a `GET` has the tag, Express answers 304. */
function send(res: Response, mediaType: string, text: string): void {
  res.set({ 'Cache-Control': 'no-store', ETag: toEntityTag(text) })
  res.type(mediaType).send(text)
}

function noContent(): CustomUserDataError {
  return new CustomUserDataError('invalid_request', 'Send a JSON object.')
}

function notFound(): CustomUserDataError {
  return new CustomUserDataError('custom_data_not_found', 'You have no custom data.')
}

function changed(): CustomUserDataError {
  const message = 'The data has changed since you read it. Read it again.'
  return new CustomUserDataError('precondition_failed', message)
}
