import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const RUNNERS = ['JEST_WORKER_ID', 'VITEST', 'NODE_TEST_CONTEXT']

/** Loads the entry point as a process loads it that has just started. */
function load(): Promise<typeof import('express-custom-user-data/testing')> {
  vi.resetModules()
  return import('express-custom-user-data/testing')
}

beforeEach(() => {
  for (const name of RUNNERS) vi.stubEnv(name, undefined)
  vi.stubEnv('NODE_ENV', undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

describe('express-custom-user-data/testing', () => {
  it('cannot be loaded in production', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    await expect(load()).rejects.toMatchObject({ code: 'testing_in_production' })
    await expect(load()).rejects.toThrow('NODE_ENV=production')
  })

  it('refuses each call once the process is in production', async () => {
    const { asUser, createTestClock, createTestUserData, tokenFor } = await load()
    vi.stubEnv('NODE_ENV', 'test')
    const userData = createTestUserData()
    vi.stubEnv('NODE_ENV', 'production')
    const refusal = expect.objectContaining({ code: 'testing_in_production' }) as Error
    for (const call of [createTestUserData, createTestClock, () => asUser('alice')]) {
      expect(call).toThrow(refusal)
    }
    await expect(tokenFor(userData, 'alice')).rejects.toMatchObject({ code: 'testing_in_production' })
  })

  it('prints one warning if no test runner is known to run the process', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const { asUser, createTestClock, createTestUserData } = await load()
    createTestClock()
    expect(emitWarning).not.toHaveBeenCalled()
    asUser('alice')
    createTestUserData()
    expect(emitWarning.mock.calls).toEqual([
      [
        expect.stringContaining(
          'asUser() of express-custom-user-data/testing signs in users without a password',
        ),
        { type: 'CustomUserDataWarning', code: 'testing_outside_tests' },
      ],
    ])
  })

  it.each([['NODE_ENV', 'test'], ...RUNNERS.map(name => [name, '1'])])(
    'prints nothing if %s is %s',
    async (name = '', value) => {
      vi.stubEnv(name, value)
      const emitWarning = vi.spyOn(process, 'emitWarning')
      const { asUser } = await load()
      asUser('alice')
      expect(emitWarning).not.toHaveBeenCalled()
    },
  )
})
