import { createServer } from 'node:https'
import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Express } from 'express'
import type { Frame, Page } from 'playwright-core'
import { TEST_CERTIFICATE } from '../support/test-certificate.js'

/** An app that answers `/` with an empty page, for scripts of tests to run in. */
export function withPage(): Express {
  return express().get('/', (_req, res) => void res.type('html').send('<!doctype html><title>page</title>'))
}

/** Listens with a certificate, which Chromium accepts for each name. */
export async function serveSecurely(handle: Express): Promise<{ server: Server; port: number }> {
  const server = createServer(TEST_CERTIFICATE, handle)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

/** Sends a form as a page can do without a permission by CORS: the browser then shows the answer. */
export function sendForm(page: Page, action: string): Promise<void> {
  return page.evaluate(to => {
    const form = Object.assign(document.createElement('form'), { method: 'post', action: to })
    form.append(Object.assign(document.createElement('input'), { name: 'user', value: 'mallory' }))
    document.body.append(form)
    form.submit()
  }, action)
}

/** Sends a request by `fetch`, as the script of a page does. */
export function send(page: Page | Frame, method: string, path: string, form?: string) {
  return page.evaluate(
    async ([how, url, text]) => {
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const answer = await fetch(url, {
        method: how,
        ...(text !== undefined && { headers, body: text }),
      })
      const body = await answer.text()
      return { status: answer.status, body: body === '' ? undefined : (JSON.parse(body) as unknown) }
    },
    [method, path, form] as const,
  )
}
