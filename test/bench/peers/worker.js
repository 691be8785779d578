// Calls from the parent process, answered one by one. A worker ends with its parent, whatever ends that.

/** Answers `{ id, call, input }` with `{ id, result }` or `{ id, error }`, by the handler of that name. */
export function answerParent(handlers) {
  process.on('message', ({ id, call, input }) => {
    Promise.resolve()
      .then(() => handlers[call](input))
      .then(
        result => process.send({ id, result }),
        error => process.send({ id, error: `${error?.name}: ${error?.stack ?? error}` }),
      )
  })
  process.once('disconnect', () => process.exit())
}
