/**
 * Refuses to publish a package that is not ready. npm runs it before `npm publish`, as `prepublishOnly`, and neither for
 * `npm pack` nor for `npm install`. It looks at the folder that it is started in.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

interface Manifest {
  readonly version: string
  readonly repository?: string | { readonly url?: string }
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest
const faults = [repositoryFault(), changelogFault(), treeFault()].filter(fault => fault !== undefined)
// The check takes minutes, so it only runs if nothing else is wrong.
if (faults.length === 0 && !isGreen()) faults.push('`npm run check` failed. Mend what it reports above.')

for (const fault of faults) console.error(`Not ready to publish: ${fault}`)
process.exitCode = faults.length === 0 ? 0 : 1

/** npm refuses the provenance of a package whose `repository` is not the repository that publishes it. */
function repositoryFault(): string | undefined {
  const { repository } = manifest
  const url = typeof repository === 'string' ? repository : repository?.url
  if (url !== undefined && url !== '') return undefined
  return (
    'package.json has no "repository", without which npm accepts no provenance. ' +
    'Write "repository": { "type": "git", "url": "git+https://github.com/OWNER/NAME.git" }.'
  )
}

function changelogFault(): string | undefined {
  const heading = /^## .*$/m.exec(readFileSync('CHANGELOG.md', 'utf8'))?.[0] ?? 'no heading'
  const expected = `## ${manifest.version}`
  if (heading === expected) return undefined
  return (
    `The newest entry of CHANGELOG.md is "${heading}", but package.json has the version ${manifest.version}. ` +
    `Write "${expected}", or run npx changeset version.`
  )
}

function treeFault(): string | undefined {
  const { status, stdout } = spawnSync('git', ['status', '--porcelain'], { encoding: 'utf8' })
  if (status !== 0)
    return 'This is no clone of the repository. Publish from a clone, so that a commit has what is published.'
  const changes = stdout.trimEnd()
  return changes === '' ? undefined : `The work tree has changes. Commit or remove them:\n${changes}`
}

function isGreen(): boolean {
  return spawnSync('npm', ['run', 'check'], { stdio: 'inherit' }).status === 0
}
