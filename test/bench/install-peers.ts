import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const PEERS = new URL('peers/', import.meta.url)
const INSTALL = ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']
const INSTALL_LIMIT_MS = 300_000

/** Installs what is compared, in the versions of its lock file, unless that was done since the file changed. */
export async function installPeers(): Promise<void> {
  const installedAt = await changedAt('node_modules/.package-lock.json')
  if (installedAt >= (await changedAt('package-lock.json'))) return
  console.log('Installing what is compared, this once…')
  await promisify(execFile)('npm', INSTALL, { cwd: fileURLToPath(PEERS), timeout: INSTALL_LIMIT_MS })
}

async function changedAt(file: string): Promise<number> {
  return stat(new URL(file, PEERS)).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  )
}
