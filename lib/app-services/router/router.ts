import { Router } from 'express'
import type { NextFunction, Request, Response } from 'express'
import type { Parts } from '../parts.js'
import { sendAnswer, sendError } from '../wire/answers.js'
import { AppServicesError, toReportedError } from '../wire/errors.js'
import { withoutLoop } from '../wire/loops.js'
import { readBody } from '../wire/request-body.js'
import { answerCors } from './cors.js'
import type { Route } from './routes.js'

/** All versions of the protocol. No app has such paths by chance. */
const CLIENT_API = '/api/client'
const API = `${CLIENT_API}/v2.0`

/** Creates the router of the client protocol. Paths outside of the protocol are left to the handlers after it. */
export function createRouter(routes: readonly Route[], parts: Parts): Router {
  const router = Router()
  router.use(CLIENT_API, (req, res, next) => {
    if (answerCors(req, res, parts.config.allowedOrigins)) return
    // Express would run a GET route for it, and such a route may open a stream.
    if (req.method === 'HEAD') sendError(res, noSuchRoute(req))
    else next()
  })
  for (const route of routes) {
    const path = route.base === 'app' ? `${API}/app/:appId${route.path}` : `${API}${route.path}`
    router[route.method](path, (req, res, next) => {
      answer(route, req, res, parts).catch(next)
    })
  }
  router.use(CLIENT_API, (req, res) => {
    sendError(res, noSuchRoute(req))
  })
  router.use(CLIENT_API, (error: unknown, req: Request, res: Response, next: NextFunction) => {
    // Express refuses a path that it cannot decode.
    if (error instanceof URIError && !res.headersSent)
      sendError(res, new AppServicesError('BadRequest', 'the path of the request cannot be decoded'))
    else next(error)
  })
  return router
}

async function answer(route: Route, req: Request, res: Response, parts: Parts): Promise<void> {
  const { config } = parts
  let reported = req
  try {
    const params = req.params as Readonly<Record<string, string>>
    if (route.base === 'app' && params['appId'] !== config.appId) throw noSuchApp()
    const body = route.method === 'post' ? await readBody(req, config.maxBodyBytes) : {}
    reported = withBody(req, route.takesCredentials === true ? { credentials: membersOf(body) } : body)
    const query = new URLSearchParams(/\?(.*)$/s.exec(req.originalUrl)?.[1] ?? '')
    const result = await route.handle({ req, res, body, params, query, address: req.ip })
    // Another middleware may have answered meanwhile, as one that limits the time of requests does.
    if (result && !res.headersSent) sendAnswer(res, result)
  } catch (error) {
    fail(error, reported, res, parts)
  }
}

/** The report leaves out the fields of a body that are named like secrets, and this router does not set `req.body`. */
function withBody(req: Request, body: object): Request {
  return Object.create(req, { body: { value: body } }) as Request
}

/** The members of the body of a login, without the description of the device. */
function membersOf(body: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(body).filter(([name]) => name !== 'options'))
}

function fail(error: unknown, req: Request, res: Response, { report }: Parts): void {
  const shown = withoutLoop(
    toReportedError(error, unexpected => {
      report(unexpected, req)
    }),
  )
  if (!res.headersSent) sendError(res, shown)
  else if (!res.writableEnded) res.destroy()
}

function noSuchApp(): AppServicesError {
  return new AppServicesError('BadRequest', 'cannot find an app with this client app id', { status: 404 })
}

function noSuchRoute({ method }: Request): AppServicesError {
  return new AppServicesError('BadRequest', `there is no route for this ${method}`, { status: 404 })
}
