import { once } from 'node:events'
import { connect } from 'node:net'
import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { newEmail, startEmailService } from '../support/email-service.js'
import { send } from '../support/members.js'
import { APP_ID, startRealmService } from '../support/realm-service.js'

const database = useDatabase()
const PASSWORD = 'a long password'

/** Sends the beginning of a request, and resets the connection when the server has begun to work on it. */
async function sendAndLeave(origin: string, text: string, waitMs: number): Promise<void> {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(text)
  await new Promise(resolve => setTimeout(resolve, waitMs))
  const closed = once(socket, 'close')
  socket.resetAndDestroy()
  await closed
}

test('clients that leave at any moment cause neither a report nor an unhandled rejection', async () => {
  const { origin, newClient, reports, baseUrl } = await startRealmService(database, {
    service: {
      functions: {
        slow: ({ signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              reject(new Error('The client is gone.'))
            })
          }),
        endless: async function* ({ signal }) {
          while (!signal.aborted)
            yield await new Promise(resolve => setTimeout(resolve, 5, 'x'.repeat(10_000)))
        },
      },
    },
  })
  const unhandled: unknown[] = []
  const note = (error: unknown) => void unhandled.push(error)
  process.on('unhandledRejection', note)
  const user = await newClient().logIn(Credentials.anonymous())
  const root = `/realm/api/client/v2.0/app/${APP_ID}`
  const headers = `Host: x\r\nAuthorization: Bearer ${user.accessToken ?? ''}\r\n`
  const withBody = (path: string, body: string, length = body.length) =>
    `POST ${path} HTTP/1.1\r\n${headers}Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`
  const call = Buffer.from(JSON.stringify({ name: 'endless', arguments: [] })).toString('base64')
  const requests = [
    withBody(`${root}/auth/providers/anon-user/login`, '{}'),
    withBody(`${root}/auth/providers/anon-user/login`, '{"opti', 500),
    withBody(`${root}/functions/call`, '{"name":"slow","arguments":[]}'),
    `GET ${root}/functions/call?baas_request=${encodeURIComponent(call)} HTTP/1.1\r\n${headers}\r\n`,
    `GET /realm/api/client/v2.0/auth/profile HTTP/1.1\r\n${headers}\r\n`,
  ]
  await Promise.all(
    requests.flatMap(text => [0, 5, 20, 60].map(waitMs => sendAndLeave(origin, text, waitMs))),
  )
  await user.refreshProfile()
  expect((await send('GET', `${baseUrl}/api/client/v2.0/app/${APP_ID}/location`)).status).toBe(200)
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
  expect(reports).toEqual([])
})

test('close() waits for the mails of the last requests', async () => {
  const order: string[] = []
  const { appServices, post } = await startEmailService(database, {
    sendConfirmation: async () => {
      await new Promise(resolve => setTimeout(resolve, 50))
      order.push('mail')
    },
  })
  expect((await post('register', { email: newEmail(), password: PASSWORD })).status).toBe(201)
  await appServices.close()
  order.push('closed')
  expect(order).toEqual(['mail', 'closed'])
})
