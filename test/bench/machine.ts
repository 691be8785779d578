import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem, type } from 'node:os'

/** Where and with what it was measured. */
export type Machine = Readonly<Record<string, string>>

/** The facts that the figures depend on. */
export function describeMachine(mongodVersion: string): Machine {
  const [cpu] = cpus()
  const ours = readPackage('../../package.json')
  const peers = readPackage('peers/package.json')
  return {
    date: new Date().toISOString().slice(0, 10),
    'this package': ours.version ?? '',
    processor: `${cpu?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()}`,
    'load before': loadavg()[0]?.toFixed(2) ?? '',
    node: process.version,
    mongod: mongodVersion,
    ...peers.dependencies,
  }
}

function readPackage(path: string): { version?: string; dependencies?: Record<string, string> } {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as ReturnType<typeof readPackage>
}
