import type { Clock } from '../clock.js'
import { asCustomUserDataError } from '../errors.js'
import type { Observer } from '../observer.js'
import type { Loader } from './loader.js'

/** A loader whose loads are counted and timed, those that fail by their error's code. */
export function createObservedLoader(loader: Loader, clock: Clock, observer: Pick<Observer, 'load'>): Loader {
  return {
    async load(userId, latest) {
      const startedAt = clock.monotonic()
      const tookMs = (): number => clock.monotonic() - startedAt
      try {
        const document = await loader.load(userId, latest)
        observer.load(userId, tookMs())
        return document
      } catch (error) {
        observer.load(userId, tookMs(), asCustomUserDataError(error)?.code ?? 'unknown')
        throw error
      }
    },
  }
}
