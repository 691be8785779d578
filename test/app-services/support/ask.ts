import { APP_ID } from './realm-service.js'
import type { RealmService } from './realm-service.js'

export const API = '/api/client/v2.0'
export const APP = `${API}/app/${APP_ID}`
export const LOGIN = `${APP}/auth/providers/anon-user/login`

/** An answer, and its parsed body. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

/** Sends a request that the client cannot send. */
export async function ask(
  { baseUrl }: RealmService,
  path: string,
  options: RequestInit = {},
): Promise<Answer> {
  const answer = await fetch(baseUrl + path, options)
  const text = await answer.text()
  return {
    status: answer.status,
    headers: answer.headers,
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
  }
}

/** Posts a body that the client cannot send. */
export const post = (
  service: RealmService,
  path: string,
  body: NonNullable<RequestInit['body']>,
  headers: Record<string, string> = {},
) =>
  ask(service, path, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body instanceof ReadableStream && ({ duplex: 'half' } as object)),
  })
