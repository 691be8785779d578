import type { AppServices } from '../app-services.js'
import type { Parts } from '../parts.js'
import { deleteUser, describeUser } from './delete-user.js'

/** Creates the functions by which the server finds and deletes users. */
export function userFunctions(parts: Parts): Pick<AppServices, 'findUser' | 'deleteUser'> {
  return {
    async findUser(userId) {
      requireText('findUser()', userId)
      const user = await parts.users.findById(userId)
      return user && describeUser(user, 'normal', parts.userData)
    },
    async deleteUser(userId) {
      requireText('deleteUser()', userId)
      return deleteUser(userId, 'normal', parts)
    },
  }
}

function requireText(callee: string, userId: unknown): void {
  if (typeof userId !== 'string')
    throw new TypeError(`${callee}: the user id must be a text of 24 hex digits (given: a ${typeof userId}).`)
}
