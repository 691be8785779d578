import { addChange, byId, onUse, showFields, tell } from './view.js'

/** @import { User } from 'realm-web' */

// The script before this one is the bundle of realm-web for pages without a build step.
const { App, BSON, Credentials, MongoDBRealmError } = /** @type {typeof import('realm-web')} */ (
  /** @type {any} */ (window).Realm
)

const { appId, apiOrigin } = await (await fetch('/config')).json()
// The only change in a client that spoke to App Services: it names the address of the service.
const app = new App({ id: appId, baseUrl: `${apiOrigin}/realm` })

/** The changes that the page follows. */
let changes = /** @type {AsyncGenerator<any> | undefined} */ (undefined)
/** Counts the calls of `show()`, so that a slow answer does not replace a newer one. */
let shows = 0
/** Counts the actions, so that the outcome of a slow one does not replace a newer one. */
let actions = 0

use('anonymous', () => logIn(Credentials.anonymous(false)))
use('account', async ({ fields, by }) => {
  const { email, password } = accountIn(fields)
  if (by === 'register') await app.emailPasswordAuth.registerUser({ email, password })
  return logIn(Credentials.emailPassword(email, password))
})
use('link', async ({ fields }) => {
  const { email, password } = accountIn(fields)
  await app.emailPasswordAuth.registerUser({ email, password })
  await currentUser().linkCredentials(Credentials.emailPassword(email, password))
  await show()
  return 'The user has an account now, and the same id as before.'
})
use('log-out', async () => {
  void changes?.return(undefined)
  await app.removeUser(currentUser())
  await show()
  return 'Logged out.'
})
use('refresh', async () => {
  await currentUser().refreshCustomData()
  await show()
  return 'The access token has the custom data of now.'
})
use('collect', async () => {
  const points = await currentUser().functions['collectPoint']?.()
  await show()
  return `The function says that you have ${points} points.`
})
use('cheat', async () => {
  await collectionOf(currentUser()).updateOne({}, { $set: { points: 1000 } })
  await show()
  return 'The points were written.'
})
use('me', async () => {
  const user = currentUser()
  const ask = () => fetch(`${apiOrigin}/me`, { headers: { Authorization: `Bearer ${user.accessToken}` } })
  let answer = await ask()
  if (answer.status === 401) {
    // The client refreshes access tokens for its own requests only.
    await user.refreshAccessToken()
    answer = await ask()
  }
  return `GET /me answers ${answer.status}: ${await answer.text()}`
})
byId('theme', HTMLFieldSetElement).addEventListener('change', event => {
  const theme = /** @type {HTMLInputElement} */ (event.target).value
  void attempt(async () => {
    await collectionOf(currentUser()).updateOne({}, { $set: { theme } })
    await show()
    return `The theme in MongoDB is ${theme}.`
  })
})

await attempt(async () => {
  await show()
  return ''
})
if (app.currentUser?.isLoggedIn) void follow(app.currentUser)
document.body.dataset['state'] = 'ready'

/**
 * @param {Parameters<typeof app.logIn>[0]} credentials
 * @returns {Promise<string>}
 */
async function logIn(credentials) {
  const user = await app.logIn(credentials)
  await show()
  void follow(user)
  return `Logged in by ${user.providerType}.`
}

/** The user of the page. A click can be faster than another tab's logout. */
function currentUser() {
  if (!app.currentUser) throw new Error('Nobody is logged in.')
  return app.currentUser
}

/** @param {User} user */
function collectionOf(user) {
  return user.mongoClient('mongodb-atlas').db('app').collection('custom_user_data')
}

/** @param {FormData} fields */
function accountIn(fields) {
  return { email: String(fields.get('email')), password: String(fields.get('password')) }
}

/** Shows the user, the custom data in the access token, and the document in MongoDB. */
async function show() {
  const thisShow = ++shows
  const user = app.currentUser?.isLoggedIn ? app.currentUser : undefined
  const stored = user && ((await collectionOf(user).findOne()) ?? {})
  if (thisShow !== shows) return
  byId('signed-out', HTMLElement).hidden = user !== undefined
  for (const id of ['signed-in', 'panels']) byId(id, HTMLElement).hidden = user === undefined
  // App Services put Extended JSON into access tokens, and the client leaves it so.
  const inToken = /** @type {any} */ (
    user ? BSON.EJSON.deserialize(/** @type {any} */ (user.customData)) : {}
  )
  document.documentElement.dataset['theme'] = inToken.theme ?? 'system'
  if (!user || !stored) return
  const providers = user.identities.map(({ providerType }) => providerType)
  showFields('user', { id: user.id, identities: providers.join(', ') })
  byId('link', HTMLElement).hidden = providers.includes('local-userpass')
  showFields('token-data', inToken)
  showFields('stored-data', stored)
  const isSame = JSON.stringify(inToken) === JSON.stringify(stored)
  const verdict = byId('verdict', HTMLElement)
  verdict.dataset['state'] = isSame ? 'same' : 'old'
  verdict.textContent = isSame ? 'Both are the same.' : 'The access token has older data. Refresh it.'
  const chosen = document.querySelector(`[name="theme"][value="${CSS.escape(stored.theme)}"]`)
  if (chosen instanceof HTMLInputElement) chosen.checked = true
}

/**
 * Follows the changes of the user's document until the user logs out. A stream ends with its access token, and the page then
 * opens the next one.
 *
 * @param {User} user
 */
async function follow(user) {
  const state = byId('watch-state', HTMLElement)
  byId('changes', HTMLElement).replaceChildren()
  try {
    while (user.isLoggedIn) {
      state.textContent = 'Change the data here, in another tab or in MongoDB.'
      changes = collectionOf(user).watch()
      for await (const change of changes) {
        addChange(describe(change))
        await show()
      }
    }
  } catch (error) {
    if (user.isLoggedIn) state.textContent = `The stream has ended: ${String(error)} Reload the page.`
  }
}

/** @param {any} change */
function describe({ operationType, updateDescription, fullDocument }) {
  const values = operationType === 'update' ? updateDescription.updatedFields : (fullDocument ?? {})
  return `${operationType} ${JSON.stringify(values)}`
}

/**
 * Makes a button or a form run an action, and tells its outcome.
 *
 * @param {string} id
 * @param {(submitted: { fields: FormData, by: string }) => Promise<string>} action
 */
function use(id, action) {
  onUse(id, submitted => attempt(() => action(submitted)))
}

/** @param {() => Promise<string>} action */
async function attempt(action) {
  const thisAction = ++actions
  try {
    const outcome = await action()
    if (thisAction === actions) tell('done', outcome)
  } catch (error) {
    if (thisAction === actions) tell('refused', textOf(error))
    // If the session has ended elsewhere, the client keeps the user in its storage until somebody removes it.
    const ended = Object.values(app.allUsers).filter(user => !user.isLoggedIn)
    for (const user of ended) await app.removeUser(user)
    if (ended.length > 0) await show()
  }
}

/**
 * The message of the client begins with the address of the request. Users need the reason.
 *
 * @param {unknown} error
 */
function textOf(error) {
  if (error instanceof MongoDBRealmError && error.error) return `${error.error} (status ${error.statusCode})`
  return error instanceof Error ? error.message : String(error)
}
