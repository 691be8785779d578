import { Router } from 'express'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import type { RequestUsers } from '../authenticate/request-users.js'
import { OwnFields } from '../writing/own-fields.js'
import type { OwnChange, OwnFieldsConfig, OwnView } from '../writing/own-fields.js'
import type { UserDocuments } from '../documents/user-documents.js'
import type { Writer } from '../writing/writer.js'
import { CustomUserDataError, toCallbackError } from '../errors.js'
import { hasPreconditions, meetsPreconditions, toEntityTag } from './entity-tag.js'
import { parseOwnDataOptions, requireAllowed, toFieldChange } from './own-data-change.js'
import type { OwnDataConfig, OwnDataMethod, OwnDataOptions } from './own-data-change.js'
import { createBodyReader } from './request-body.js'
import type { RequestBody } from './request-body.js'

interface OwnDataParts {
  readonly documents: UserDocuments
  readonly writer: Writer
  readonly requestUsers: Pick<RequestUsers, 'require' | 'replaceData'>
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
  const own = new OwnFields(config, allowed.fields, parts)
  // A `PUT` of `{}` removes all fields, so an empty body must not be read as `{}`.
  const readBody = createBodyReader({ json: ['application/json'], form: false, refusesEmpty: true })

  const read: RequestHandler = (req, res, next) => {
    answer(next, async () => {
      const view = await own.read(userIdOf(req))
      if (!view) throw notFound()
      send(res, view)
    })
  }

  const change =
    (method: OwnDataMethod): RequestHandler =>
    (req, res, next) => {
      answer(next, async () => {
        const userId = userIdOf(req)
        requireJson(req)
        const body = await readBody(req, res)
        requireAllowed(body, allowed)
        const done = await own.write(userId, view => decide(method, { req, body, view }, allowed))
        // Handlers that run later in the same request see the new data.
        if (done.loaded) parts.requestUsers.replaceData(req, done.loaded.data)
        send(res.status(done.created ? 201 : 200), done.view)
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
  readonly body: RequestBody
  readonly view: OwnView | undefined
}

/** The change that a request makes to the stored fields. Throws if the conditions of the request do not hold for them. */
async function decide(
  method: OwnDataMethod,
  { req, body, view }: Attempt,
  config: OwnDataConfig,
): Promise<OwnChange> {
  if (!view && !config.upsert) throw notFound()
  if (!meetsPreconditions(req, view && toEntityTag(JSON.stringify(view)))) throw changed()
  const change = await toFieldChange(method, body, view ?? {}, config)
  return { ...change, dependsOnFields: hasPreconditions(req) || config.schema !== undefined }
}

function answer(next: NextFunction, run: () => Promise<void>): void {
  run().catch((error: unknown) => {
    next(toCallbackError('ownData', error))
  })
}

/** Refuses `application/merge-patch+json` too, because `null` removes a field there, and is a value here. */
function requireJson(req: Request): void {
  if (req.headers['content-length'] === '0') throw noContent()
  if (req.is('application/json') !== false) return
  const error = new CustomUserDataError('unsupported_media_type', 'Send application/json.')
  error.headers['Accept'] = 'application/json'
  throw error
}

/** Sends the fields with their tag. If `If-None-Match` of a `GET` has the tag, Express answers 304. */
function send(res: Response, view: OwnView): void {
  const text = JSON.stringify(view)
  res.set({ 'Cache-Control': 'no-store', ETag: toEntityTag(text) })
  res.type('application/json').send(text)
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
