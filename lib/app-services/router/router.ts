import { Router } from 'express'
import type { Request, Response } from 'express'
import type { Parts } from '../parts.js'
import { sendAnswer, sendError } from '../wire/answers.js'
import { AppServicesError, toAppServicesError } from '../wire/errors.js'
import { readBody } from '../wire/request-body.js'
import { answerCors } from './cors.js'
import type { Route } from './routes.js'

const API = '/api/client/v2.0'

/** Creates the router of the client protocol. Paths outside of the protocol are left to the handlers after it. */
export function createRouter(routes: readonly Route[], parts: Parts): Router {
  const { appId, allowedOrigins } = parts.config
  const router = Router()
  router.use(API, (req, res, next) => {
    if (!answerCors(req, res, allowedOrigins)) next()
  })
  for (const route of routes) {
    const path = route.base === 'app' ? `${API}/app/:appId${route.path}` : `${API}${route.path}`
    router[route.method](path, (req, res) => {
      void answer(route, req, res, parts)
    })
  }
  router.use(API, (req, res) => {
    sendError(
      res,
      new AppServicesError('BadRequest', `there is no route for this ${req.method}`, { status: 404 }),
    )
  })
  return router

  async function answer(route: Route, req: Request, res: Response, { config, report }: Parts): Promise<void> {
    try {
      const params = req.params as Readonly<Record<string, string>>
      if (route.base === 'app' && params['appId'] !== appId)
        throw new AppServicesError('BadRequest', 'cannot find an app with this client app id', {
          status: 404,
        })
      const body = route.method === 'post' ? await readBody(req, config.maxBodyBytes) : {}
      const query = new URLSearchParams(/\?(.*)$/s.exec(req.originalUrl)?.[1] ?? '')
      const result = await route.handle({ req, res, body, params, query, address: req.ip })
      if (result) sendAnswer(res, result)
    } catch (error) {
      const shown = toAppServicesError(error)
      if (shown.status >= 500) report(shown.cause ?? error, req)
      if (res.headersSent) res.destroy()
      else sendError(res, shown)
    }
  }
}
