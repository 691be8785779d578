/** What `import 'express-custom-user-data/global'` and the registration of `Profile` do in an app. */
import 'express-custom-user-data/global'
import type { Profile } from './common.js'

declare module 'express-custom-user-data' {
  interface CustomUserDataTypes {
    customData: Profile
  }
}
