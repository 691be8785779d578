/** Runs the code of the guides for teams from App Services, with the unmodified client. */
import { createHash } from 'node:crypto'
import * as Realm from 'realm-web'
import type { AppServicesOptions, EmailToken } from 'express-custom-user-data/app-services'
import { BSON } from 'mongodb'
import jwt from 'jsonwebtoken'
import { describe, expect, it } from 'vitest'
import { mailingTo, newEmail } from '../app-services/support/email-service.js'
import { APP_ID, startRealmService } from '../app-services/support/realm-service.js'
import { useDatabase } from '../support/database.js'
import { blockOf, run } from './guide-code.js'
import { findBlocks, readPage } from './markdown.js'
import { toModules } from './modules.js'
import { isServer, start } from './run.js'

const database = useDatabase()
const formerDatabase = useDatabase()
const ADDRESS = 'https://api.example.com/realm'
const PASSWORD = 'a long password'
const { App, Credentials } = Realm

describe('the server of the guide', () => {
  const page = 'docs/migrating-from-app-services.md'

  /** Starts the program of the page, with a client of it. */
  async function startServer() {
    const program = await start(toModules(findBlocks(page, readPage(page))).find(isServer)!)
    const url = await program.listening()
    const baseUrl = `${url}/realm`
    // The program names the address of the page, and listens on another port.
    const client = new App({ id: APP_ID, baseUrl, skipLocationRequest: true })
    return { url, client }
  }

  it('lets a client register, log in, write and read the own document, and call other routes', async () => {
    const { url, client } = await startServer()
    const email = newEmail()
    await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
    const user = await client.logIn(Credentials.emailPassword(email, PASSWORD))
    expect(user.customData).toEqual(expect.objectContaining({ theme: 'light' }))

    const documents = user.mongoClient('mongodb-atlas').db('app').collection('custom_user_data')
    await documents.updateOne({}, { $set: { age: 36 } })
    expect(await documents.findOne()).toMatchObject({ owner_id: user.id, theme: 'light', age: 36 })
    expect(await user.refreshCustomData()).toMatchObject({ age: { $numberInt: '36' } })
    const headers = { Authorization: `Bearer ${user.accessToken}`, Origin: 'http://localhost:5173' }
    const me = await fetch(`${url}/me`, { headers })
    expect(me.headers.get('Access-Control-Allow-Origin')).toBe('http://localhost:5173')
    expect(await me.json()).toMatchObject({ age: 36 })
  })

  it('leaves a document that is too large out of the token, and the client reads it by a query', async () => {
    const { client } = await startServer()
    const user = await client.logIn(Credentials.anonymous())
    const documents = user.mongoClient('mongodb-atlas').db('app').collection('custom_user_data')
    await documents.updateOne({}, { $set: { text: 'x'.repeat(9_000) } })
    expect(await user.refreshCustomData()).toEqual({})
    const [read] = blockOf(page, 'findOne()').split('\n').slice(-1)
    const found = await run(read!, { documents }, 'document')
    expect(found).toMatchObject({ text: 'x'.repeat(9_000) })
  })
})

describe('the guide to users', () => {
  const page = 'docs/app-services-users.md'
  const idOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 24)

  it('imports users, who find their documents after they have set a password', async () => {
    const mails: EmailToken[] = []
    const service = await startRealmService(database, {
      service: { providers: { emailPassword: mailingTo(mails) } },
    })
    const email = newEmail()
    const _id = idOf(email)
    await service.userData.forUser(_id).update({ $set: { theme: 'dark' } }, { upsert: true })
    const names = { appServices: service.appServices, formerUsers: [{ _id, email }] }
    const importUsers = () => run(blockOf(page, 'addEmailAccount'), names)
    await importUsers()
    await importUsers() // the guide says that it can be repeated

    const client = service.newClient()
    await expect(client.logIn(Credentials.emailPassword(email, PASSWORD))).rejects.toThrow('unauthorized')
    await client.emailPasswordAuth.sendResetPasswordEmail({ email })
    await expect.poll(() => mails.length).toBe(1)
    await client.emailPasswordAuth.resetPassword({ ...mails[0]!, password: PASSWORD })
    const user = await client.logIn(Credentials.emailPassword(email, PASSWORD))
    expect(user.id).toBe(_id)
    expect(user.customData).toMatchObject({ theme: 'dark' })
  })

  it('sends mails with links by which users confirm the address and set a new password', async () => {
    let given: unknown
    const mails: { readonly email: string; readonly link: URL }[] = []
    await run(blockOf(page, 'sendConfirmation:'), {
      others: {},
      createAppServices: (options: unknown) => (given = options),
      sendMail: (email: string, link: string) => mails.push({ email, link: new URL(link) }),
    })
    const options = given as Pick<AppServicesOptions, 'providers'>
    const client = (await startRealmService(database, { service: options })).newClient()
    const email = newEmail()
    const mailed = async (page: string) => {
      const find = () => mails.find(mail => mail.email === email && mail.link.pathname === `/${page}`)
      await expect.poll(find).toBeDefined()
      const query = find()!.link.searchParams
      return { token: query.get('token')!, tokenId: query.get('tokenId')! }
    }
    const logIn = (password: string) => client.logIn(Credentials.emailPassword(email, password))

    await client.emailPasswordAuth.registerUser({ email, password: PASSWORD })
    await expect(logIn(PASSWORD)).rejects.toThrow('confirmation required')
    await client.emailPasswordAuth.confirmUser(await mailed('confirm'))
    await logIn(PASSWORD)
    await client.emailPasswordAuth.sendResetPasswordEmail({ email })
    const password = `${PASSWORD} 2`
    await client.emailPasswordAuth.resetPassword({ ...(await mailed('reset')), password })
    await expect(logIn(PASSWORD)).rejects.toThrow('unauthorized')
    await logIn(password)
  })

  it('imports users of custom JWTs, who keep their ids', async () => {
    const secret = 'a secret of a partner, which has 32 bytes or more'
    const service = await startRealmService(database, {
      service: { providers: { customToken: { keys: [{ alg: 'HS256', key: secret }] } } },
    })
    const _id = new BSON.ObjectId().toHexString()
    const identities = [
      { id: `partner-${_id}`, provider_type: 'custom-token' },
      { id: _id, provider_type: 'anon-user' },
    ]
    const names = { appServices: service.appServices, formerUsers: [{ _id, identities }] }
    await run(blockOf(page, 'addIdentity'), names)
    const token = jwt.sign({ sub: `partner-${_id}`, aud: APP_ID }, secret, { expiresIn: '5m' })
    expect((await service.newClient().logIn(Credentials.jwt(token))).id).toBe(_id)
  })

  it.each([
    ['starts', false],
    ['has tried anonymous() in vain', true],
  ])('lets a client forget a user of the former service when it %s', async (_when, triesFirst) => {
    const former = await startRealmService(formerDatabase)
    const service = await startRealmService(database)
    // Both have the default storage, as one browser before and after the switch.
    const before = new App({ id: APP_ID, baseUrl: former.baseUrl })
    const old = await before.logIn(Credentials.anonymous(false))
    const code = blockOf(page, 'forgetOldUsers').replaceAll(ADDRESS, service.baseUrl)
    const load = async () =>
      (await run(code, { Realm }, '{ app, forgetOldUsers }')) as {
        app: Realm.App
        forgetOldUsers: () => Promise<void>
      }

    const { app, forgetOldUsers } = await load()
    expect(app.currentUser?.id).toBe(old.id)
    if (triesFirst) await expect(app.logIn(Credentials.anonymous())).rejects.toThrow('invalid session')
    await forgetOldUsers()
    expect(app.allUsers).toEqual({})
    const user = await app.logIn(Credentials.anonymous())
    expect(user.id).not.toBe(old.id)

    const next = await load()
    await next.forgetOldUsers()
    expect(next.app.currentUser?.id).toBe(user.id)
    await next.app.removeUser(next.app.currentUser!)
  })
})
