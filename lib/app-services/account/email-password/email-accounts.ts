import type { Filter } from 'mongodb'
import type { CustomUserData } from '../../../index.js'
import { newId } from '../../ids.js'
import { isDuplicateKey, MARK, OwnCollection } from '../../own-collection.js'
import type { StoreConfig } from '../../own-collection.js'
import { hashSecret } from '../../secrets.js'
import type { SentToken, StoredToken } from './email-tokens.js'
import { PasswordCheck } from './password-check.js'

const EMAIL_ACCOUNT = 'app_services_email_account'
const OURS = { [MARK]: EMAIL_ACCOUNT } as const

/** An email account as stored. It exists before its user does, who is created by the first login. */
export interface EmailAccount {
  /** The normalized address. As the primary key it is unique, and logins find it without a further index. */
  readonly _id: string
  readonly expressCustomUserData: typeof EMAIL_ACCOUNT
  /** The id of the identity of type `local-userpass`. */
  readonly accountId: string
  /** Absent for an account whose owner has to set a password by a reset. */
  readonly passwordHash?: string
  /** Changes with each password, so that a login notices a reset that happens meanwhile. */
  readonly passwordId: string
  readonly createdAt: Date
  /** `null` until the address is confirmed. */
  readonly confirmedAt: Date | null
  readonly confirmation?: StoredToken
  readonly reset?: StoredToken
}

/** A new account. */
interface NewEmailAccount {
  readonly email: string
  /** @default a random id */
  readonly accountId?: string | undefined
  readonly passwordHash?: string | undefined
  readonly isConfirmed: boolean
  readonly confirmation?: StoredToken | undefined
}

interface EmailAccountsConfig extends StoreConfig {
  readonly userData: Pick<CustomUserData<object>, 'passwordCredentials'>
}

/** The email accounts. Each change is one atomic operation, so that of two parallel uses of a token one wins. */
export class EmailAccounts {
  readonly #collection: OwnCollection<EmailAccount>
  readonly #passwords: PasswordCheck
  readonly #now: () => number

  constructor({ find, userData, timeoutMs, now }: EmailAccountsConfig) {
    this.#now = now
    this.#passwords = new PasswordCheck(find, userData)
    this.#collection = new OwnCollection({
      find,
      mark: EMAIL_ACCOUNT,
      timeoutMs,
      indexes: [
        { fields: { accountId: 1 }, options: { unique: true, name: 'account_id' } },
        { fields: { 'confirmation.id': 1 }, options: { name: 'confirmation' } },
        { fields: { 'reset.id': 1 }, options: { name: 'reset' } },
      ],
    })
  }

  /** Makes the indexes. */
  ready(): Promise<void> {
    return this.#collection.ready()
  }

  /** Stores a new account; `undefined` if the address or the id is taken. */
  async insert(given: NewEmailAccount): Promise<EmailAccount | undefined> {
    const { email, accountId = newId(), passwordHash, isConfirmed, confirmation } = given
    const now = new Date(this.#now())
    const account: EmailAccount = {
      _id: email,
      ...OURS,
      accountId,
      ...(passwordHash !== undefined && { passwordHash }),
      passwordId: newId(),
      createdAt: now,
      confirmedAt: isConfirmed ? now : null,
      ...(confirmation && { confirmation }),
    }
    try {
      await this.#collection.run(accounts => accounts.insertOne(account))
      return account
    } catch (error) {
      if (isDuplicateKey(error)) return undefined
      throw error
    }
  }

  /**
   * The account of an address and a password; `undefined` if they are wrong. Unknown addresses take the same work as wrong
   * passwords.
   */
  async findByPassword(email: string, password: string): Promise<EmailAccount | undefined> {
    // The check reads without the mark, so the collection has to be ours before.
    await this.#collection.ready()
    const passwordId = await this.#passwords.passwordIdOf(email, password)
    return passwordId === undefined ? undefined : this.#findOne({ _id: email, passwordId })
  }

  /** Whether an account still has the password that a login has verified. */
  async hasPassword({ accountId, passwordId }: EmailAccount): Promise<boolean> {
    return (await this.#findOne({ accountId, passwordId })) !== undefined
  }

  /** Gives an account that is not confirmed a new token. Resolves to the account. */
  renewConfirmation(email: string, confirmation: StoredToken): Promise<EmailAccount | undefined> {
    return this.#update({ _id: email, confirmedAt: null }, { $set: { confirmation } })
  }

  /** Confirms the account of a token. The token stays stored, so that its owner is told of a confirmation before. */
  async confirmByToken(sent: SentToken): Promise<'confirmed' | 'already' | 'invalid'> {
    const ofToken = this.#ofToken('confirmation', sent)
    const confirmed = await this.#update({ ...ofToken, confirmedAt: null }, this.#confirmedNow())
    if (confirmed) return 'confirmed'
    return (await this.#findOne(ofToken)) ? 'already' : 'invalid'
  }

  /** Confirms an account that a function of the team has accepted. */
  async confirm({ accountId }: EmailAccount): Promise<void> {
    await this.#update({ accountId, confirmedAt: null }, this.#confirmedNow())
  }

  /** Removes an account that was refused, unless its owner has confirmed it meanwhile. */
  async removeUnconfirmed({ accountId }: EmailAccount): Promise<void> {
    await this.#collection.run(accounts => accounts.deleteOne({ ...OURS, accountId, confirmedAt: null }))
  }

  /** Gives an account a new token for a reset, which replaces the one before. Resolves to the account. */
  renewReset(email: string, reset: StoredToken): Promise<EmailAccount | undefined> {
    return this.#update({ _id: email }, { $set: { reset } })
  }

  /** Takes the token of a reset away that was refused. */
  async dropReset(email: string, tokenId: string): Promise<void> {
    await this.#update({ _id: email, 'reset.id': tokenId }, { $unset: { reset: true } })
  }

  /** Gives a token back, if the reset could not be completed and no newer token exists. */
  async restoreReset({ accountId, reset }: EmailAccount): Promise<void> {
    if (reset) await this.#update({ accountId, reset: { $exists: false } }, { $set: { reset } })
  }

  /** The account that a token for a reset belongs to, if it works now. */
  findByResetToken(sent: SentToken): Promise<EmailAccount | undefined> {
    return this.#findOne(this.#ofToken('reset', sent))
  }

  /** Sets the password of a token's account, and uses the token up. Resolves to the account as it was before. */
  setPasswordByToken(sent: SentToken, passwordHash: string): Promise<EmailAccount | undefined> {
    return this.#update(this.#ofToken('reset', sent), newPassword(passwordHash), 'before')
  }

  /** Sets a password that a function of the team has accepted. Resolves to the account as it was before. */
  setPassword(accountId: string, passwordHash: string): Promise<EmailAccount | undefined> {
    return this.#update({ accountId }, newPassword(passwordHash), 'before')
  }

  /** Removes the accounts of identities, because their user is deleted. */
  async remove(accountIds: readonly string[]): Promise<void> {
    await this.#collection.run(accounts =>
      accounts.deleteMany({ ...OURS, accountId: { $in: [...accountIds] } }),
    )
  }

  #ofToken(kind: 'confirmation' | 'reset', { token, tokenId }: SentToken): Filter<EmailAccount> {
    return {
      [`${kind}.id`]: tokenId,
      [`${kind}.hash`]: hashSecret(token),
      [`${kind}.expiresAt`]: { $gt: new Date(this.#now()) },
    }
  }

  #confirmedNow(): object {
    return { $set: { confirmedAt: new Date(this.#now()) } }
  }

  async #findOne(filter: Filter<EmailAccount>): Promise<EmailAccount | undefined> {
    const found = await this.#collection.run(accounts => accounts.findOne({ ...filter, ...OURS }))
    return found ?? undefined
  }

  async #update(
    filter: Filter<EmailAccount>,
    change: object,
    returnDocument: 'before' | 'after' = 'after',
  ): Promise<EmailAccount | undefined> {
    const found = await this.#collection.run(accounts =>
      accounts.findOneAndUpdate({ ...filter, ...OURS }, change, {
        returnDocument,
        includeResultMetadata: false,
      }),
    )
    return found ?? undefined
  }
}

function newPassword(passwordHash: string): object {
  return { $set: { passwordHash, passwordId: newId() }, $unset: { reset: true } }
}
