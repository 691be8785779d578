/**
 * What `import 'express-custom-user-data/global'` and the registration of `Profile` do in an app. The app also has a logger at
 * each request, and for `attach()` members of `req.user` of its own.
 */
import 'express-custom-user-data/global'
import type { Profile } from './common.js'

declare module 'express-custom-user-data' {
  interface CustomUserDataTypes {
    customData: Profile
  }
}

declare global {
  namespace Express {
    interface Request {
      log: Console
    }
    interface User {
      _id?: unknown
      accountId?: string
    }
  }
}
