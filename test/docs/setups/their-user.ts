/** An app whose own guard sets `req.user`, so nobody knows the members of that object. */
import type { AttachOptions, CustomDataOf, CustomUserData, Guard } from 'express-custom-user-data'

interface Profile {
  language: string
  role: string
}

/** The options of attach() whose callbacks read members that only the app knows. */
type OptionsOfTheirUser = {
  [Name in keyof AttachOptions]: NonNullable<AttachOptions[Name]> extends (req: never) => infer Value
    ? (req: any) => Value
    : AttachOptions[Name]
}

export declare const userData: Omit<CustomUserData<CustomDataOf<Profile>>, 'attach'> & {
  attach(options?: OptionsOfTheirUser): Guard
}
