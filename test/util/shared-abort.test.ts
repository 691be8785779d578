import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const MODULE = new URL('../../lib/util/shared-abort.ts', import.meta.url).href
/** In a process of its own: what a listener throws is nobody's to catch, and would be vitest's to report. */
const SCRIPT = `
  const { createSharedAbort } = await import(${JSON.stringify(MODULE)})
  const shared = createSharedAbort()
  process.on('uncaughtException', ({ message }) => console.log(message))
  shared.signal.addEventListener('abort', () => { throw new Error('thrown') })
  shared.signal.addEventListener('abort', () => console.log('called'))
  shared.abort('over')
`

describe('a shared abort', () => {
  it('calls all listeners where one throws, and has the process told of it', async () => {
    const args = ['--import', 'tsx', '--input-type=module', '-e', SCRIPT]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 15_000 })
    expect(stdout.trim().split('\n')).toEqual(['called', 'thrown'])
  })
})
