import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { MongoClient } from 'mongodb'
import type { Db } from 'mongodb'
import { resolveMongoUri } from '../../examples/support/start-mongod.js'
import { AUDIENCE, ISSUER } from '../support/user-data.js'
import { attackTable } from './attack-table.js'
import { withToken } from './attack.js'
import type { Attack } from './attack.js'
import { ATTACKERS_KEY_SET } from './attacks-on-headers.js'
import { toMarkdown } from './comparison.js'
import type { Column, Outcome } from './comparison.js'
import { createAttackContext, USER, VICTIM } from './context.js'
import type { AttackContext } from './context.js'
import { createGuardedApp } from './guarded-app.js'
import { sendRaw } from './raw-request.js'
import type { RawAnswer } from './raw-request.js'
import { hasChallenge } from './refusal.js'
import { serve, startTrap } from './server.js'

// Runs the attacks against other packages with their defaults, and prints their answers and ours side by side.

/** The parts from which `peers/apps.js` makes its apps. */
interface PeerSetup {
  readonly alg: string
  readonly key: string
  readonly issuer: string
  readonly audience: string
  readonly findUser: (sub: unknown) => Promise<unknown>
}

type CreateApp = (db: Db, context: AttackContext) => RequestListener | Promise<RequestListener>

const PEERS = fileURLToPath(new URL('peers', import.meta.url))
const INSTALL = ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']
const INSTALL_LIMIT_MS = 300_000

const folder = await mkdtemp(join(tmpdir(), 'express-custom-user-data-peers-'))
const mongo = await resolveMongoUri()
const client = await MongoClient.connect(mongo.uri)
const db = client.db('attacks_on_peers')
try {
  await db.dropDatabase()
  await db.collection('custom_user_data').insertMany([{ userId: USER }, { userId: VICTIM }])
  const peers = Object.entries(await installPeers())
  const columns: Column[] = []
  for (const [name, createApp] of [['this package', createGuardedApp] as const, ...peers]) {
    columns.push({ name, outcomes: await runTable(createApp) })
  }
  console.log(toMarkdown(columns))
  await db.dropDatabase()
} finally {
  await client.close()
  await mongo.stop()
  await rm(folder, { recursive: true, force: true })
}

/**
 * Installs the other packages in a folder of their own. Gives the name and version of each, and how to make an app.
 */
async function installPeers(): Promise<Record<string, CreateApp>> {
  await cp(PEERS, folder, { recursive: true })
  await promisify(execFile)('npm', INSTALL, { cwd: folder, timeout: INSTALL_LIMIT_MS })
  const { dependencies } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const { apps } = (await import(pathToFileURL(join(folder, 'apps.js')).href)) as {
    apps: Record<string, (setup: PeerSetup) => RequestListener>
  }
  const named = Object.entries(apps).map(([name, create]): [string, CreateApp] => [
    `${name} ${dependencies[name] ?? ''}`,
    (_db, context) => create(toSetup(context)),
  ])
  return Object.fromEntries(named)
}

function toSetup({ alg, secret, publicKey }: AttackContext): PeerSetup {
  const key = secret ?? publicKey!.export({ format: 'pem', type: 'spki' }).toString()
  const findUser = (sub: unknown) => db.collection('custom_user_data').findOne({ userId: sub })
  return { alg, key, issuer: ISSUER, audience: AUDIENCE, findUser }
}

/** Runs each row once, with a secret or, if the row does not apply to secrets, with an RSA key. */
async function runTable(createApp: CreateApp): Promise<Outcome[]> {
  const bySecret = await openRun('HS256', createApp)
  const byRsaKey = await openRun('RS256', createApp)
  const outcomes: Outcome[] = []
  for (const row of attackTable) {
    const run = row.contexts.includes('HS256') ? bySecret : byRsaKey
    if (row.contexts.includes(run.alg)) outcomes.push(await run.attack(row))
  }
  for (const run of [bySecret, byRsaKey]) run.close()
  return outcomes
}

async function openRun(alg: 'HS256' | 'RS256', createApp: CreateApp) {
  const trap = await startTrap(ATTACKERS_KEY_SET)
  const context = createAttackContext(alg, trap.url)
  const server = await serve(await createApp(db, context))
  await sendRaw(server.port, withToken(context.victimToken))
  return {
    alg,
    async attack(row: Attack): Promise<Outcome> {
      const answer = await orCrash(sendRaw(server.port, await row.request(context)))
      return { row, status: answer?.status, hasChallenge: answer !== undefined && hasChallenge(answer) }
    },
    close() {
      server.close()
      trap.close()
    },
  }
}

/** A guard that throws outside the request takes its server down, which is an outcome, too. */
async function orCrash(answer: Promise<RawAnswer>): Promise<RawAnswer | undefined> {
  const answered = new AbortController()
  const crash = once(process, 'uncaughtException', answered).then(
    () => undefined,
    () => undefined,
  )
  try {
    return await Promise.race([answer, crash])
  } finally {
    answered.abort()
  }
}
