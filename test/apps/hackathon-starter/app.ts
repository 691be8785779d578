import assert from 'node:assert/strict'
import type { App } from '../app.js'
import { visitData } from '../data.js'
import type { Sent, Visit } from '../visit.js'

/** Express 5, mongoose 9, passport sessions in MongoDB, mocha. Its floor patch only replaces packages from GitHub. */
export const hackathonStarter: App = {
  name: 'hackathon-starter',
  source: { repository: 'sahat/hackathon-starter', commit: 'dbcac7a7b159bf6b8e93eb071a6f066c0b0ab6c8' },
  env: mongoUrl => ({ MONGODB_URI: mongoUrl }),
  prepare: [['patch-package'], ['npm', 'run', 'scss']],
  tests: {
    runner: 'mocha',
    command: ['mocha', '--timeout=60000', '--exit', '--exclude', 'test/*links.test.js'],
    failing: [],
  },
  start: ['node', 'app.js'],
  ways: [{ name: 'attach', requests: visit }],
}

const CREDENTIALS = { email: 'ann@example.com', password: 'a long password' }

async function visit(visit: Visit): Promise<void> {
  const { db, expect } = visit
  const signup = { ...CREDENTIALS, confirmPassword: CREDENTIALS.password }
  await submit(visit, '/signup', signup, await openForm(visit, '/signup'))
  const sent = await submit(visit, '/login', CREDENTIALS, await openForm(visit, '/login'))
  const user = await db.collection('users').findOne({ email: CREDENTIALS.email })
  await visitData(visit, { path: '/custom-data', sent, userId: String(user?._id) })

  await expect(302, 'GET', '/logout', sent)
  const { headers } = await expect(302, 'GET', '/custom-data', sent)
  assert.equal(headers.get('Location'), '/login')
}

interface Form {
  readonly cookie: string
  readonly csrf: string
}

async function openForm({ expect }: Visit, path: string): Promise<Form> {
  const { headers, body } = await expect(200, 'GET', path)
  const csrf = /name="_csrf" value="([^"]+)"/.exec(String(body))?.[1] ?? ''
  return { cookie: cookieOf(headers), csrf }
}

/** Sends a form, which signs in, and returns the cookie of the new session. */
async function submit(
  { expect }: Visit,
  path: string,
  fields: Record<string, string>,
  form: Form,
): Promise<Sent> {
  const sent = { form: { ...fields, _csrf: form.csrf }, headers: { Cookie: form.cookie } }
  const { headers } = await expect(302, 'POST', path, sent)
  assert.equal(headers.get('Location'), '/')
  return { headers: { Cookie: cookieOf(headers) } }
}

function cookieOf(headers: Headers): string {
  return headers.getSetCookie()[0]?.split(';')[0] ?? ''
}
