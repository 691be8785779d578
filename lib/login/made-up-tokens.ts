import { CustomUserDataError } from '../errors.js'
import type { RequestChecks } from '../checks/request-checks.js'
import type { Events } from '../events.js'
import type { Sessions } from '../sessions/sessions.js'
import type { AddressLimit } from './address-limit.js'
import type { Client } from './client.js'

interface MadeUpTokensParts {
  readonly sessions: Pick<Sessions, 'inspect' | 'isOurs'>
  /** Absent if the team limits requests by other means. */
  readonly limit: AddressLimit | undefined
  readonly events: Events
  readonly requestChecks: Pick<RequestChecks, 'addressRead'>
}

/**
 * Keeps refresh tokens that strangers make up away from the session store. A token of ours has a seal, which is checked
 * without a query. A token without our seal costs one query, because a session secret that is no longer given may have sealed
 * it. If no session has it, it is a failure of its address. A limit of these failures refuses no token with a seal, so it
 * locks nobody out who shares the address.
 */
export class MadeUpTokens {
  readonly #parts: MadeUpTokensParts

  constructor(parts: MadeUpTokensParts) {
    this.#parts = parts
  }

  /**
   * Returns the tokens that are not made up. They may be old, or their sessions may have ended.
   *
   * @throws `too_many_attempts`; `sessions_unavailable`; `session_secret_unknown` if another process may know the token
   */
  async remove(
    tokens: readonly string[],
    { req, address }: Pick<Client, 'req' | 'address'>,
  ): Promise<string[]> {
    if (this.#parts.limit) this.#parts.requestChecks.addressRead(req, 'refresh token')
    const areOurs = await Promise.all(tokens.map(token => this.#isOurs(token, address ?? undefined)))
    return tokens.filter((_token, index) => areOurs[index])
  }

  async #isOurs(token: string, address: string | undefined): Promise<boolean> {
    const { sessions, limit } = this.#parts
    const found = sessions.inspect(token)
    if (!found || found.isSealed) return found !== undefined
    const takeBack = limit?.count(address)
    if (typeof takeBack === 'number') throw this.#refuse(address, takeBack)
    let isMadeUp = false
    try {
      isMadeUp = !(await sessions.isOurs(token))
      return !isMadeUp
    } finally {
      // If MongoDB does not answer, or another process has the secret, nobody here knows whether the token was made up.
      if (!isMadeUp) takeBack?.()
    }
  }

  #refuse(address: string | undefined, waitMs: number): CustomUserDataError {
    const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000))
    this.#parts.events.emit('throttled', {
      limit: 'refresh_tokens',
      accounts: [],
      address,
      retryAfterSeconds,
    })
    const message = 'There were too many refresh tokens from this address that are not valid.'
    const error = new CustomUserDataError('too_many_attempts', message)
    error.headers['Retry-After'] = String(retryAfterSeconds)
    return error
  }
}
