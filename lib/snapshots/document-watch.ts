import { isFrozenCopyOf, toFrozenCopy } from '../documents/frozen-copy.js'
import type { LatestDocument, Load } from '../documents/loader.js'
import { untilAborted } from '../util/until-aborted.js'
import { toError } from '../util/thrown.js'
import { findChangedFields } from './document-changes.js'
import type { DocumentChange, DocumentChanges } from './document-changes.js'

/** What a watch reads from, and who knows of it. */
export interface WatchSource {
  /**
   * Loads the user's document like the loader. Changes that concern it call `wake()` from now on.
   * @param signal aborts while the load waits for its turn
   */
  readonly load: (watch: DocumentWatch, latest: LatestDocument, signal: AbortSignal) => Promise<Load>
  /** Called once, when the watch has ended. */
  readonly forget: (watch: DocumentWatch) => void
}

/** A document as the consumer knows it. */
interface KnownDocument {
  /** A frozen object with the `_id`, which gives fresh instances of values that freezing does not protect. */
  readonly identity: { readonly documentId?: unknown }
  readonly data: object
}

type Change = DocumentChange<object>
type Result = IteratorResult<Change, undefined>

const NO_MORE: Result = Object.freeze({ done: true, value: undefined })

/**
 * Follows one user's document. A wake-up says that it may have changed. The next call of `next()` reads the document and
 * compares it with the state that the consumer knows. So nothing is queued, and a consumer that takes its time costs nothing.
 */
export class DocumentWatch {
  readonly userId: string
  /** The keys by which changes find this watch, as the source has noted them. */
  keys: readonly string[] = []
  readonly #source: WatchSource
  readonly #ending = new AbortController()
  #failure: Error | undefined
  /** Whether the document may have changed since the last read began. */
  #isStale = false
  #wake: (() => void) | undefined
  #known: KnownDocument | undefined
  /** The data of the last read. The loader gives the same object again if nothing has changed. */
  #latest: LatestDocument = { data: undefined, heapBytes: 0 }
  #turn: Promise<unknown> = Promise.resolve()

  constructor(userId: string, source: WatchSource) {
    this.userId = userId
    this.#source = source
  }

  /** False after the end. */
  get current(): boolean {
    return !this.#ending.signal.aborted
  }

  /** Reads the state with which later states are compared. Rejects if the read fails. */
  async begin(): Promise<void> {
    const loaded = await this.untilEnded(this.#load())
    if (loaded) this.#compare(loaded)
  }

  /** Waits for a promise, but no longer than until the watch ends. Then it resolves to `undefined`. */
  untilEnded<T>(promise: Promise<T>): Promise<T | undefined> {
    return untilAborted(promise, this.#ending.signal)
  }

  /** Tells that the document may have changed. */
  wake(): void {
    this.#isStale = true
    this.#wake?.()
  }

  /** Ends the watch; with an error, the next call of `next()` rejects. Later calls have no effect. */
  end(failure?: Error): void {
    if (!this.current) return
    this.#failure = failure
    this.#known = undefined
    this.#latest = { data: undefined, heapBytes: 0 }
    this.#ending.abort()
    this.#source.forget(this)
  }

  /** Throws the error with which the watch has ended, once. */
  throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure) throw failure
  }

  /** The watch as its consumer sees it. */
  toChanges(): DocumentChanges<object> {
    const changes: DocumentChanges<object> = {
      next: () => this.#takeTurn(),
      return: () => {
        this.end()
        return Promise.resolve(NO_MORE)
      },
      [Symbol.asyncIterator]: () => changes,
    }
    return changes
  }

  /** Calls that do not wait for one another are answered in order, each with a change of its own. */
  #takeTurn(): Promise<Result> {
    const result = this.#turn.then(() => this.#next())
    this.#turn = result.catch(() => undefined)
    return result
  }

  async #next(): Promise<Result> {
    while (this.current) {
      if (!this.#isStale) await this.#untilWoken()
      const change = this.#isStale && (await this.#look())
      if (change) return { done: false, value: change }
    }
    this.throwFailure()
    return NO_MORE
  }

  /** Resolves at a wake-up and at the end. */
  async #untilWoken(): Promise<void> {
    await this.untilEnded(new Promise<void>(resolve => (this.#wake = resolve)))
    this.#wake = undefined
  }

  /** Reads the document once. Returns the change, if there is one. */
  async #look(): Promise<Change | undefined> {
    try {
      const loaded = await this.untilEnded(this.#load())
      return loaded && this.#compare(loaded)
    } catch (error) {
      this.end(toError(error))
      return undefined
    }
  }

  #load(): Promise<Load> {
    this.#isStale = false
    return this.#source.load(this, this.#latest, this.#ending.signal)
  }

  /** Takes over the state that was read. Returns how it differs from the state before. */
  #compare({ exists, data, documentId }: Load): Change | undefined {
    const known = this.#known
    if (known && !(exists && isFrozenCopyOf(known.identity, { documentId }))) {
      this.#known = undefined
      // The next read tells of the document that the user has instead.
      if (exists) this.#isStale = true
      return { operationType: 'delete', documentId: known.identity.documentId }
    }
    if (!exists) return undefined
    const identity: KnownDocument['identity'] = known?.identity ?? toFrozenCopy({ documentId })
    this.#known = { identity, data }
    const change = { documentId: identity.documentId, document: data }
    if (!known) return { operationType: 'insert', ...change }
    if (known.data === data) return undefined
    const fields = findChangedFields(known.data, data)
    return fields && { operationType: 'update', ...change, ...fields }
  }
}
