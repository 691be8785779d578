import type { Collection } from 'mongodb'
import { requireUserId, toRevokedSid } from '../access-tokens/user-id.js'
import type { WrittenEvent } from '../audit-events.js'
import { OptionError } from '../errors.js'
import type { CustomUserData } from '../instance.js'
import { requireAccountName } from '../login/account-name.js'
import { describedClient } from '../login/client.js'
import { createPasswordCredentials } from '../login/password-credentials.js'
import type { PasswordCredentialsConfig } from '../login/password-credentials.js'
import { createStoredData } from '../login/stored-data.js'
import type { IssueTokensOptions, IssueTokensWithCookiesOptions } from '../login/issue-tokens-options.js'
import type { Deliver } from '../login/token-issuer.js'
import { parseIssueTokensOptions, parseSessionOfUser, parseStoredDataOptions } from '../options/logins.js'
import { parseNewKeys } from '../options/parse-options.js'
import { issueWithCookies } from '../routes/issue-with-cookies.js'
import type { RefreshTransport } from '../routes/refresh-transport.js'
import { toLoginStart } from '../sessions/login-start.js'
import type { TokenAnswer } from '../types.js'
import { createUserDocument } from '../writing/for-user.js'
import { needOwn } from './access-tokens.js'
import type { AccessTokens } from './access-tokens.js'
import type { Calls } from './calls.js'
import type { Core } from './core.js'
import type { Documents } from './documents.js'
import type { LoginAttempts } from './login-attempts.js'
import type { Logins } from './logins.js'
import { FOREIGN_TOKEN_MS, OWN_TOKEN_MS } from './sessions.js'
import type { SessionParts } from './sessions.js'
import type { SnapshotParts } from './snapshots.js'

/** The methods of an instance that act on sessions. */
type SessionFunctions = Pick<
  CustomUserData<object>,
  'issueTokens' | 'reissue' | 'sessionOf' | 'sessions' | 'revoke' | 'disable' | 'enable' | 'deleteSessions'
>

const NO_COOKIE =
  'issueTokens(): option "res": no token travels in a cookie. Leave "res" out, or give the instance accessTokenTransport: "cookie" or refreshTokenTransport: "cookie".'

/** Creates the functions with which server code acts on users' sessions. They check each user id that they are given. */
export function createSessionFunctions(
  { config }: Core,
  { issuers }: AccessTokens,
  { sessions, userSessions, endReplaced, hooks, tokenIssuerFor }: Logins,
  transport: RefreshTransport,
  calls: Calls,
): SessionFunctions {
  const tokenIssuer = tokenIssuerFor(config.extendedJson, 'createCustomUserData: option "extendedJson"')
  const { accessCookie, refreshCookie, refreshTokenField } = config

  return {
    async issueTokens(userId: string, options?: IssueTokensOptions | IssueTokensWithCookiesOptions) {
      const issuer = needOwn(tokenIssuer, 'issueTokens()')
      const { res, ...details } = parseIssueTokensOptions(options)
      const create = hooks.creationFor({ id: userId }, describedClient(details))
      const issue = (deliver?: Deliver) =>
        issuer.issue(userId, details, create, { start: toLoginStart(details.startedAt), deliver })
      if (!res) return calls.measure('issueTokens', async () => (await issue()).answer)
      if (!accessCookie && !refreshCookie) throw new OptionError(NO_COOKIE)
      // The overloads of the method say which members an answer with cookies lacks.
      return (await calls.measure('issueTokens', () =>
        issueWithCookies(res, issue, { transport, endReplaced, refreshTokenField }),
      )) as TokenAnswer<object>
    },
    async reissue(session) {
      const issuer = needOwn(tokenIssuer, 'reissue()')
      const { userId, sid } = parseSessionOfUser(session)
      requireUserId('reissue()', userId, issuers)
      return calls.measure('reissue', () => issuer.reissue({ userId, sid }))
    },
    async sessionOf(refreshToken) {
      needOwn(tokenIssuer, 'sessionOf()')
      if (typeof refreshToken !== 'string') return undefined
      return calls.count('sessionOf', () => sessions.identify(refreshToken))
    },
    async sessions(userId) {
      requireUserId('sessions()', userId, issuers)
      return sessions.list(userId)
    },
    async revoke(target) {
      const sid = toRevokedSid(target)
      if (sid !== undefined) {
        await sessions.revokeSession(sid, 'revoke')
        return
      }
      requireUserId('revoke()', target, issuers)
      await userSessions.revoke(target, 'revoke')
    },
    async disable(userId) {
      requireUserId('disable()', userId, issuers)
      await userSessions.disable(userId)
    },
    async enable(userId) {
      requireUserId('enable()', userId, issuers)
      await userSessions.enable(userId)
    },
    async deleteSessions(userId) {
      requireUserId('deleteSessions()', userId, issuers)
      await userSessions.delete(userId, () => hooks.afterDelete(userId, 'sessions'))
    },
  }
}

/** The other methods of an instance for server code. */
type ServerFunctions = Pick<
  CustomUserData<object>,
  | 'forUser'
  | 'invalidate'
  | 'passwordCredentials'
  | 'forgetFailedLogins'
  | 'accountDigest'
  | 'replaceKeys'
  | 'storedAbout'
  | 'eraseUser'
>

/** Creates the functions with which server code acts on documents, snapshots, credentials and keys. */
export function createServerFunctions(
  { config, events, invalidations, rights, storedUsernames }: Core,
  { issuers, ownKeys }: AccessTokens,
  { loader }: Documents,
  { watches }: SnapshotParts,
  { listStored }: SessionParts,
  { writer, hooks, userSessions, userRecords }: Logins,
  loginAttempts: LoginAttempts,
): ServerFunctions {
  const onWritten = (id: string, change: WrittenEvent['change']): void => {
    events.emit('written', { userId: id, by: 'forUser', change })
    if (change === 'delete') hooks.afterDelete(id, 'customData')
  }
  const { store: attempts, digests } = loginAttempts
  const storedData = createStoredData({
    listSessions: listStored,
    userSessions,
    userRecords,
    attempts,
    digests,
  })

  function noteUsers(
    open: () => Promise<Collection>,
    { collection, usernameField, normalizeUsername, upgradeHashes }: PasswordCredentialsConfig,
  ): void {
    rights.add('passwordCredentials()', open)
    if (upgradeHashes) rights.add('passwordCredentials({ upgradeHashes })', open)
    if (normalizeUsername)
      storedUsernames.add({ open, collectionName: collection.collectionName, usernameField })
  }

  function parseAccounts(callee: string, given: unknown): string[] {
    const { accounts } = parseStoredDataOptions(callee, given)
    if (accounts.length > 0) needOwn(ownKeys, `${callee} with accounts`)
    return accounts
  }

  return {
    async storedAbout(userId, options) {
      requireUserId('storedAbout()', userId, issuers)
      return storedData.list(userId, parseAccounts('storedAbout()', options))
    },
    async eraseUser(userId, options) {
      requireUserId('eraseUser()', userId, issuers)
      const accounts = parseAccounts('eraseUser()', options)
      // Without keys of our own, all users are those of trusted issuers, with or without a prefix.
      const tokenMs = ownKeys && !issuers.isForeign(userId) ? OWN_TOKEN_MS : FOREIGN_TOKEN_MS
      const erased = await storedData.erase(userId, accounts, tokenMs)
      hooks.afterDelete(userId, 'sessions')
      return erased
    },
    forUser(userId) {
      requireUserId('forUser()', userId, issuers)
      return createUserDocument(userId, { config, writer, loader, watches, onWritten })
    },
    invalidate(userId) {
      requireUserId('invalidate()', userId, issuers)
      invalidations.invalidate(userId)
    },
    passwordCredentials: options =>
      createPasswordCredentials(options, { timeoutMs: config.loadTimeoutMs, events, noteUsers }),
    async forgetFailedLogins(account) {
      needOwn(ownKeys, 'forgetFailedLogins()')
      const name = requireAccountName('forgetFailedLogins()', account)
      await Promise.all(digests().map(digest => attempts.forgetAccount(digest.account(name))))
    },
    accountDigest(account) {
      needOwn(ownKeys, 'accountDigest()')
      return digests()[0].account(requireAccountName('accountDigest()', account))
    },
    replaceKeys: keys => {
      const kids = needOwn(ownKeys, 'replaceKeys()').replace(parseNewKeys(keys))
      events.emit('keys_replaced', { kids })
    },
  }
}
