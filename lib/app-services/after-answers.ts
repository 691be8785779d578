/**
 * Work that runs after the answer to a request: triggers and mails. An answer then tells neither by its text nor by its time what
 * the work finds.
 */
export class AfterAnswers {
  readonly #running = new Set<Promise<void>>()

  /** Runs work after the answer. An error is reported, because no client waits for it. */
  run(work: () => Promise<void>, report: (error: unknown) => void): void {
    const run = new Promise<void>(resolve => {
      setImmediate(() => {
        resolve(work())
      })
    })
      .catch(report)
      .finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  /** Resolves when the work that runs has ended, or after a time. */
  async finish(maxMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => {
      timer = setTimeout(resolve, maxMs)
    })
    await Promise.race([Promise.all(this.#running), late])
    clearTimeout(timer)
  }
}
