import { requireUserId, toRevokedSid } from '../access-tokens/user-id.js'
import type { CustomUserData } from '../instance.js'
import { requireAccountName } from '../login/account-name.js'
import { toAccountKey } from '../login/login-attempt.js'
import { createPasswordCredentials } from '../login/password-credentials.js'
import { parseIssueTokensOptions } from '../options/logins.js'
import { parseNewKeys } from '../options/parse-options.js'
import { createUserDocument } from '../writing/for-user.js'
import { needOwn } from './access-tokens.js'
import type { AccessTokens } from './access-tokens.js'
import type { Core } from './core.js'
import type { Documents } from './documents.js'
import type { LoginAttempts, Logins } from './logins.js'

/** The methods of an instance that act on sessions. */
type SessionFunctions = Pick<
  CustomUserData<object>,
  'issueTokens' | 'sessions' | 'revoke' | 'disable' | 'enable' | 'deleteSessions'
>

/** Creates the functions with which server code acts on users' sessions. They check each user id that they are given. */
export function createSessionFunctions({ issuers }: AccessTokens, logins: Logins): SessionFunctions {
  const { sessions, hooks, tokenIssuer } = logins
  return {
    async issueTokens(userId, options) {
      const issuer = needOwn(tokenIssuer, 'issueTokens()')
      const create = hooks.creationFor({ id: userId }, undefined)
      const { answer } = await issuer.issue(userId, parseIssueTokensOptions(options), create)
      return answer
    },
    async sessions(userId) {
      requireUserId('sessions()', userId, issuers)
      return sessions.list(userId)
    },
    async revoke(target) {
      const sid = toRevokedSid(target)
      if (sid !== undefined) {
        await sessions.revokeSession(sid)
        return
      }
      requireUserId('revoke()', target, issuers)
      await sessions.revokeUser(target)
    },
    async disable(userId) {
      requireUserId('disable()', userId, issuers)
      await sessions.disableUser(userId)
    },
    async enable(userId) {
      requireUserId('enable()', userId, issuers)
      await sessions.enableUser(userId)
    },
    async deleteSessions(userId) {
      requireUserId('deleteSessions()', userId, issuers)
      await sessions.deleteUser(userId)
      hooks.after('afterDelete', { id: userId }, 'sessions')
    },
  }
}

/** The other methods of an instance for server code. */
type ServerFunctions = Pick<
  CustomUserData<object>,
  'forUser' | 'invalidate' | 'passwordCredentials' | 'forgetFailedLogins' | 'replaceKeys'
>

/** Creates the functions with which server code acts on documents, snapshots, credentials and keys. */
export function createServerFunctions(
  { config, events, invalidations }: Core,
  { issuers, ownKeys }: AccessTokens,
  { loader }: Documents,
  { writer, hooks }: Logins,
  loginAttempts: LoginAttempts,
): ServerFunctions {
  const { userIdField } = config
  const onDeleted = (id: string): void => hooks.after('afterDelete', { id }, 'customData')
  return {
    forUser(userId) {
      requireUserId('forUser()', userId, issuers)
      return createUserDocument(userId, { userIdField, writer, loader, onDeleted })
    },
    invalidate(userId) {
      requireUserId('invalidate()', userId, issuers)
      invalidations.invalidate(userId)
    },
    passwordCredentials: options => createPasswordCredentials(options, config.loadTimeoutMs, events),
    forgetFailedLogins: async account =>
      loginAttempts.forgetAccount(toAccountKey(requireAccountName(account))),
    replaceKeys: keys => {
      needOwn(ownKeys, 'replaceKeys()').replace(parseNewKeys(keys))
    },
  }
}
