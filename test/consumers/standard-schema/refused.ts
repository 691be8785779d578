// Each line that follows a comment must be refused, and for the reason that the comment gives.
import { createCustomUserData } from 'express-custom-user-data'
import type { CustomUserDataOptions } from 'express-custom-user-data'
import type { Request } from 'express'
import type { z } from 'zod'
import type { Profile } from './profile.js'

type Options = CustomUserDataOptions<z.infer<typeof Profile>>

export function refuseChanges(req: Request, options: Options): void {
  const { customData } = createCustomUserData({ ...options, requireDocument: true }).user(req)
  // @ts-expect-error Cannot assign to 'language' because it is a read-only property
  customData.language = 'fr'
  // @ts-expect-error Cannot assign to 'city' because it is a read-only property
  customData.address.city = 'Basel'
  // @ts-expect-error Property 'push' does not exist on type 'readonly string[]'
  customData.address.lines.push('Hof 2')
}

export function refuseGuesses(req: Request, options: Options): string {
  const { customData } = createCustomUserData({ ...options, requireDocument: false }).user(req)
  // @ts-expect-error Property 'langage' does not exist on type
  customData.langage
  // @ts-expect-error 'customData.address' is possibly 'undefined'
  customData.address.city
  // @ts-expect-error Type 'undefined' is not assignable to type 'string'
  return customData.userId
}

export function refuseSchema(schema: typeof Profile, { schema: _, ...options }: Options): void {
  createCustomUserData<{ language: string }>({ ...options, schema })
  // @ts-expect-error Type 'string' is not assignable to type 'number'
  createCustomUserData<{ language: number }>({ ...options, schema })
}
