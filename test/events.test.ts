import { setImmediate as idle } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { findAnchors, readPage } from './docs/markdown.js'
import { createEvents } from '../lib/events.js'
import type { LoadFailedEvent, WarningEvent } from '../lib/events.js'
import { ODD_THROWS } from './support/odd-throws.js'

const WARNING: WarningEvent = { code: 'duplicate_documents', message: 'Two documents.', userId: 'alice' }
const FAILURE: LoadFailedEvent = {
  userId: 'alice',
  code: 'custom_data_unavailable',
  error: new Error('away'),
}

function watchProcessWarnings() {
  return vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('events', () => {
  it('reach listeners unchanged', () => {
    const events = createEvents()
    const onWarning = vi.fn()
    const onFailure = vi.fn()
    events.emitter.on('warning', onWarning).on('load_failed', onFailure)
    events.warn(WARNING)
    events.emit('load_failed', FAILURE)
    expect(onWarning.mock.calls).toEqual([[WARNING]])
    expect(onFailure.mock.calls).toEqual([[FAILURE]])
  })

  it('become a process warning if a warning has no listener, with the page that explains it', () => {
    const processWarnings = watchProcessWarnings()
    createEvents().warn(WARNING)
    expect(processWarnings.mock.calls).toEqual([
      [
        WARNING.message,
        {
          type: 'CustomUserDataWarning',
          code: WARNING.code,
          detail: `See node_modules/express-custom-user-data/docs/reference/events.md#${WARNING.code}`,
        },
      ],
    ])
    expect(findAnchors(readPage('docs/reference/events.md'))).toContain(WARNING.code)
  })

  it('are not process warnings if there is a listener', () => {
    const processWarnings = watchProcessWarnings()
    const events = createEvents()
    events.emitter.on('warning', () => undefined)
    events.warn(WARNING)
    expect(processWarnings).not.toHaveBeenCalled()
  })

  it('are not printed if failed loads have no listener', () => {
    const processWarnings = watchProcessWarnings()
    createEvents().emit('load_failed', FAILURE)
    expect(processWarnings).not.toHaveBeenCalled()
  })

  it.each([
    {
      what: 'throws',
      broken: (): unknown => {
        throw new Error('broken')
      },
    },
    { what: 'rejects', broken: (): unknown => Promise.reject(new Error('broken')) },
  ])('survive a listener that $what, and report it', async ({ broken }) => {
    const processWarnings = watchProcessWarnings()
    const events = createEvents()
    events.emitter.on('warning', broken).on('load_failed', broken)
    events.warn(WARNING)
    events.emit('load_failed', FAILURE)
    await idle()
    const said = ['A listener threw: Error: broken', { type: 'CustomUserDataWarning' }]
    expect(processWarnings.mock.calls).toEqual([said, said])
  })

  it.each(ODD_THROWS)('survive a listener that throws or rejects with $what', async ({ thrown }) => {
    const processWarnings = watchProcessWarnings()
    const unhandled: unknown[] = []
    const note = () => void unhandled.push('unhandled')
    process.on('unhandledRejection', note).on('uncaughtException', note)
    const { emitter, emit } = createEvents()
    emitter.on('load_failed', () => {
      throw thrown
    })
    emit('load_failed', FAILURE)
    emitter.removeAllListeners()

    emitter.on('load_failed', () => Promise.reject(thrown as Error))
    emit('load_failed', FAILURE)
    await idle()
    await idle()
    process.off('unhandledRejection', note).off('uncaughtException', note)
    expect(unhandled).toEqual([])
    expect(processWarnings).toHaveBeenCalledTimes(2)
  })
})
