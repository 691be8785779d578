import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'

const SCRIPT = fileURLToPath(new URL('../../tools/publish/ready.ts', import.meta.url))
const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  scripts: Record<string, string>
}

const READY = {
  name: 'a-package',
  version: '1.2.3',
  repository: { type: 'git', url: 'git+https://git.example.com/a/b.git' },
  scripts: { check: 'node -e "console.log(\'checked\')"', prepublishOnly: 'node -e "process.exit(1)"' },
}
const CHANGELOG = '# Changelog\n\n## 1.2.3\n\n- Something.\n\n## 1.2.2\n'

describe('a package is published', () => {
  it('if its repository, its changelog, its tree and its check are in order', () => {
    const { status, stdout, stderr } = ask(clone())
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('\nchecked\n')
  })

  it('by the script that npm runs before it publishes', () => {
    expect(scripts['prepublishOnly']).toBe('node --import tsx tools/publish/ready.ts')
  })
})

describe('a package is refused, without running the check,', () => {
  it.each([undefined, '', { type: 'git' }])('while its repository is %j', repository => {
    expectRefusal(clone({ ...READY, repository }), 'Write "repository": { "type": "git", "url": ')
  })

  it('while the newest entry of the changelog is unreleased', () => {
    const folder = clone(READY, '# Changelog\n\n## Unreleased\n\n## 1.2.3\n')
    expectRefusal(
      folder,
      'is "## Unreleased", but package.json has the version 1.2.3. Write "## 1.2.3", or run',
    )
  })

  it('while the newest entry of the changelog is another version', () => {
    expectRefusal(
      clone({ ...READY, version: '1.2.4' }),
      'is "## 1.2.3", but package.json has the version 1.2.4',
    )
  })

  it('while a file is not committed', () => {
    const folder = clone()
    writeFileSync(join(folder, 'new.txt'), '')
    expectRefusal(folder, 'The work tree has changes. Commit or remove them:\n?? new.txt')
  })

  it('outside a clone', () => {
    const folder = clone()
    rmSync(join(folder, '.git'), { recursive: true })
    expectRefusal(folder, 'This is no clone of the repository.')
  })
})

it('a package is refused if its check fails', () => {
  const { status, stderr } = ask(clone({ ...READY, scripts: { check: 'node -e "process.exit(3)"' } }))
  expect(status).toBe(1)
  expect(stderr).toContain('`npm run check` failed.')
})

it('npm does not ask when it packs or installs', () => {
  const folder = clone()
  for (const command of ['pack', 'install']) {
    const { status } = spawnSync('npm', [command, '--dry-run', '--offline'], { cwd: folder })
    expect({ command, status }).toEqual({ command, status: 0 })
  }
})

/** A folder with these files, all committed. */
function clone(manifest: object = READY, changelog = CHANGELOG): string {
  const folder = mkdtempSync(join(tmpdir(), 'ready-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  writeFileSync(join(folder, 'CHANGELOG.md'), changelog)
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'commit.gpgsign=false']
  for (const args of [
    ['init', '--quiet'],
    ['add', '.'],
    [...identity, 'commit', '--quiet', '-m', 'All'],
  ]) {
    expect(spawnSync('git', args, { cwd: folder }).status).toBe(0)
  }
  return folder
}

function ask(folder: string) {
  const args = ['--import', import.meta.resolve('tsx'), SCRIPT]
  return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
}

function expectRefusal(folder: string, reason: string): void {
  const { status, stdout, stderr } = ask(folder)
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toContain(reason)
  expect(stderr.match(/Not ready to publish/g)).toHaveLength(1)
}
