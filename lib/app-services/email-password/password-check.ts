import type { Collection } from 'mongodb'
import type { CollectionLike, CustomUserData, PasswordCredentials } from '../../index.js'

interface Check {
  readonly client: unknown
  readonly dbName: string
  readonly verify: PasswordCredentials
}

/**
 * Checks passwords of email accounts. Unknown addresses, wrong passwords and accounts without a password take the same work.
 * During a login it also counts the account in the throttle of the instance.
 */
export class PasswordCheck {
  readonly #find: () => unknown
  readonly #userData: Pick<CustomUserData<object>, 'passwordCredentials'>
  #current: Check | undefined

  constructor(find: () => unknown, userData: Pick<CustomUserData<object>, 'passwordCredentials'>) {
    this.#find = find
    this.#userData = userData
  }

  /** The `passwordId` of an account, if the password is right. */
  async passwordIdOf(email: string, password: string): Promise<string | undefined> {
    const user = await this.#verifier()({ _id: email, password }, undefined)
    return user?.id
  }

  /** Made once for a database, because it hashes a decoy. A connection that opens again may have another client. */
  #verifier(): PasswordCredentials {
    const collection = this.#find() as Collection
    const { dbName } = collection
    const { client } = collection as unknown as { readonly client?: unknown }
    if (this.#current?.client !== client || this.#current?.dbName !== dbName)
      this.#current = { client, dbName, verify: this.#create(collection) }
    return this.#current.verify
  }

  #create(collection: CollectionLike): PasswordCredentials {
    return this.#userData.passwordCredentials({
      collection,
      usernameField: '_id',
      hashField: 'passwordHash',
      // The id of the password, so that the caller can tell whether the password has been changed since.
      toUserId: account => String(account['passwordId']),
      upgradeHashes: true,
    })
  }
}
