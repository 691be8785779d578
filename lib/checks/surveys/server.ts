import type { Db, Document } from 'mongodb'
import { isServerRefusal } from '../../mongo/server-errors.js'
import { PLAIN_BSON } from '../../mongo/team-database.js'
import { withDeadline } from '../../util/deadline.js'
import type { Finding, SurveyLimits, SurveyResult } from './survey.js'

/** The oldest server with `$bsonSize`, and with computed fields in the projection of `find`. */
const OLDEST = [4, 4] as const
/** When MongoDB published the last fixes of each version. */
const END_OF_LIFE: ReadonlyMap<number, string> = new Map([
  [4, 'February 2024'],
  [5, 'October 2024'],
  [6, 'July 2025'],
])
/** Services that speak MongoDB's protocol, and have versions and dates of their own. */
const COMPATIBLE = /\.docdb(?:-elastic)?\.amazonaws\.com|\.cosmos\.azure\.com/i

/** Asks what kind of server answers: its version, whether it is a replica set, and whether it is the primary. */
export async function surveyServer(
  db: Db,
  hosts: string,
  { timeoutMs }: SurveyLimits,
): Promise<SurveyResult> {
  const [hello, version] = await withDeadline(timeoutMs, signal =>
    Promise.all([db.command({ hello: 1 }, { ...PLAIN_BSON, signal }), readVersion(db, signal)]),
  )
  const topology = topologyOf(hello)
  const hasChangeStreams = topology !== 'standalone'
  const findings: Finding[] = []
  if (version !== undefined && !COMPATIBLE.test(hosts)) findings.push(...judgeVersion(version))
  if (hello['isWritablePrimary'] !== true) findings.push(notPrimary(hello))
  const setName = hello['setName'] as string | undefined
  return {
    says: `MongoDB ${version ?? 'of an unknown version'}, ${topology}${setName === undefined ? '' : ` "${setName}"`}`,
    lines: [
      hasChangeStreams
        ? 'change streams: possible'
        : 'change streams: not possible, because they need a replica set',
    ],
    findings,
    facts: { server: { hosts, version, topology, setName, hasChangeStreams } },
  }
}

/** The stable API in its strict form has no `buildInfo`. */
async function readVersion(db: Db, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { version } = await db.command({ buildInfo: 1 }, { ...PLAIN_BSON, signal })
    return typeof version === 'string' ? version : undefined
  } catch (error) {
    if (isServerRefusal(error)) return undefined
    throw error
  }
}

function topologyOf({ msg, setName }: Document): 'sharded cluster' | 'replica set' | 'standalone' {
  if (msg === 'isdbgrid') return 'sharded cluster'
  return setName === undefined ? 'standalone' : 'replica set'
}

/** Says that a version is too old for this package, or that nobody mends it any more. */
export function judgeVersion(version: string): Finding[] {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    const message =
      `The server is MongoDB ${version}, and this package needs ${OLDEST.join('.')} or later: older servers do not know the ` +
      'operators of its queries. Upgrade the server.'
    return [{ code: 'server_too_old', message }]
  }
  const end = END_OF_LIFE.get(major)
  if (end === undefined) return []
  const message = `The server is MongoDB ${version}. Its major version gets no fixes since ${end}, also none of security. Plan an upgrade.`
  return [{ code: 'server_end_of_life', message }]
}

function notPrimary({ me, primary }: Document): Finding {
  const where = typeof me === 'string' ? ` ${me}` : ''
  const instead = typeof primary === 'string' ? ` (now ${primary})` : ''
  const message =
    `The server${where} is not the primary${instead}, so its data may be old, and an app with this address answers 503. Remove ` +
    'directConnection=true from the address, and name the replica set in it: mongodb://host1,host2/?replicaSet=name'
  return { code: 'server_not_primary', message }
}
