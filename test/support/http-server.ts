import { createServer } from 'node:http'
import type { RequestListener, ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Express } from 'express'
import type { CustomUserData } from 'express-custom-user-data'

/** A server on loopback, for tests that send many requests. supertest would open a port for each. */
export interface TestServer {
  /** `http://127.0.0.1:…`, without a slash at the end. */
  readonly origin: string
  close: () => Promise<void>
}

/** Listens on a free port of loopback. */
export async function serve(handle: RequestListener, options: ServerOptions = {}): Promise<TestServer> {
  const server = createServer(options, handle)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = () =>
    new Promise<void>(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { origin: `http://127.0.0.1:${port}`, close }
}

/** Creates an app with one guarded route, `GET /me`. It answers with the user's id and custom data. */
export function createGuardedApp(userData: CustomUserData<object>): Express {
  const app = express()
  app.use(userData.authenticate())
  app.get('/me', (req, res) => {
    const { id, customData } = userData.user(req)
    res.json({ id, customData })
  })
  app.use(userData.errorHandler())
  return app
}
