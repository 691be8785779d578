/**
 * Types `req.user` for the whole app, as `import 'express-custom-user-data/global'`. It is an entry of its own, because an
 * app may have a type of its own for `req.user`, and global types of a dependency cannot be undone.
 */
import type { AuthenticatedUser } from './types.js'

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace -- Express's types are merged by namespace
  namespace Express {
    // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- merged with @types/passport's
    interface User extends AuthenticatedUser {}
    // Said again although @types/passport says it, because an app may not have @types/passport.
    interface Request {
      user?: User | undefined
    }
  }
}
