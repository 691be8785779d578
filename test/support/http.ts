import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import express from 'express'
import type { ErrorRequestHandler, Express, Request, RequestHandler, Response } from 'express'
import { expect } from 'vitest'

/** Creates an app whose one route, `/me`, answers with `req.user` as the middleware left it. */
export function createEchoApp(...middleware: RequestHandler[]): Express {
  const app = express()
  app.all('/me', ...middleware, (req: Request, res) => {
    res.json({ user: req.user ?? null })
  })
  return app
}

/** Makes an error handler like an app's own. */
export function onError(respond: (error: Error, res: Response) => void): ErrorRequestHandler {
  return (error: Error, _req, res, next) => {
    respond(error, res)
    if (!res.writableEnded) next()
  }
}

/** The exact answer to a raw request. */
export interface RawAnswer {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

/** A request that supertest would change, for example with repeated headers or chunks. */
export interface RawRequest {
  method?: string
  path?: string
  /** Names and values alternate. */
  headers?: string[]
  /** Parts of the body. They are sent one by one, so the request has no Content-Length. */
  chunks?: (string | Buffer)[]
}

/** Sends a request with exactly these headers to an app, which listens only for this request. */
export async function sendRaw(app: Express, options: RawRequest = {}): Promise<RawAnswer> {
  const { method = 'GET', path = '/me', headers = [], chunks = [] } = options
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    const outgoing = request({ port, host: '127.0.0.1', method, path, headers: ['Host', 'test', ...headers] })
    for (const chunk of chunks) outgoing.write(chunk)
    outgoing.end()
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) }
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

/** The attributes of a challenge (RFC 6750 section 3, RFC 9110 11.6.1). */
export type Challenge = Record<string, string>

const ATTRIBUTE = /^(realm|error|error_description)="([\x20\x21\x23-\x5b\x5d-\x7e]*)"$/

/**
 * Parses the one Bearer challenge of an answer. Fails if it cannot be parsed, if an attribute occurs twice, or if the
 * challenge contains a part of `input`, which the client has sent.
 */
export function expectChallenge(answer: { headers: object }, ...input: string[]): Challenge {
  const header = String((answer.headers as Record<string, unknown>)['www-authenticate'])
  expect(header).toMatch(/^Bearer /)
  for (const sent of input.filter(part => part.length > 3)) expect(header).not.toContain(sent)
  const attributes = header
    .slice('Bearer '.length)
    .split(/, (?=\w+=)/)
    .map(attribute => ATTRIBUTE.exec(attribute))
  expect(attributes).not.toContain(null)
  const names = attributes.map(attribute => attribute![1]!)
  expect(new Set(names).size).toBe(names.length)
  return Object.fromEntries(attributes.map(attribute => [attribute![1]!, attribute![2]!]))
}
