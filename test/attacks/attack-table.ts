import type { Attack } from './attack.js'
import { attacksOnAlgorithms } from './attacks-on-algorithms.js'
import { attacksOnClaims } from './attacks-on-claims.js'
import { attacksOnHeaders } from './attacks-on-headers.js'
import { attacksOnRequests } from './attacks-on-requests.js'
import { attacksOnSpelling } from './attacks-on-spelling.js'

/** All attacks on the guard. The tests run them against this package, and `npm run compare` against others. */
export const attackTable: readonly Attack[] = [
  ...attacksOnRequests,
  ...attacksOnAlgorithms,
  ...attacksOnHeaders,
  ...attacksOnClaims,
  ...attacksOnSpelling,
]
