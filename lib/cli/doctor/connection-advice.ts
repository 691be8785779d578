import { hasCode, SERVER_ERRORS } from '../../mongo/server-errors.js'
import { describeThrown } from '../../util/thrown.js'

/** A server that answered the driver. */
export interface SeenServer {
  readonly address: string
  /** The name of its replica set, if it belongs to one. */
  readonly setName: unknown
}

/** What is known about a connection that failed. */
export interface FailedConnection {
  /** All servers that answered. The driver's error omits a server with another replica set name. */
  readonly servers: readonly SeenServer[]
  /** The name in the address. */
  readonly replicaSet: string | undefined
}

/** What to do about each kind of error, found in its text because its place in the error differs between drivers. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /\bECONNREFUSED\b/,
    'Nothing listens on this port. Check the port in the address, and that the service of MongoDB runs.',
  ],
  [
    /\b(?:ENOTFOUND|EAI_AGAIN|ENODATA|ESERVFAIL)\b/,
    'No address is known for this host. Check the name of the host in the address, and that this machine can look names up. ' +
      'If the name is not in the address, the replica set has it from its own settings: use the names of those settings.',
  ],
]
const AUTHENTICATION = /auth\w* failed/i
const ON_AUTHENTICATION =
  'Check the user and the password in the address, and authSource: the database that has the user, often admin.'
const ON_SILENCE =
  'The server did not answer in time. Check the address, whether it needs tls=true, and whether a firewall or an access ' +
  'list lets this machine connect.'

/** Says what to do about an error of the driver. The texts quote nothing of the error, because it may quote the address. */
export function adviseOnConnection(error: unknown, { servers, replicaSet }: FailedConnection): string {
  const other = servers.find(({ setName }) => setName !== replicaSet)
  if (replicaSet !== undefined && other) return onReplicaSet(other, replicaSet)
  const text = textsOf(error).join('\n')
  if (hasCode(error, SERVER_ERRORS.authenticationFailed) || AUTHENTICATION.test(text))
    return ON_AUTHENTICATION
  const advice = ADVICE.filter(([kind]) => kind.test(text)).map(([, says]) => says)
  return advice.length === 0 ? ON_SILENCE : advice.join(' ')
}

function onReplicaSet({ address, setName }: SeenServer, replicaSet: string): string {
  return typeof setName === 'string'
    ? `The server ${address} belongs to the replica set "${setName}", and the address says replicaSet=${replicaSet}. Write ` +
        `replicaSet=${setName}.`
    : `The server ${address} is no member of a replica set, and the address says replicaSet=${replicaSet}. Remove replicaSet ` +
        'from the address, or name a member.'
}

/** The text of an error, and those of the servers that the driver tried. */
function textsOf(error: unknown): string[] {
  const { reason } = Object(error) as {
    readonly reason?: { readonly servers?: ReadonlyMap<string, { readonly error?: unknown }> }
  }
  const tried = [...(reason?.servers?.values() ?? [])].map(server => server.error)
  return [error, ...tried].map(describeThrown)
}
