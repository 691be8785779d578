import { AsyncResource } from 'node:async_hooks'

/** Runs a function in an asynchronous context, and returns its result. */
export type RunInContext = <T>(run: () => T) => T

/**
 * Keeps the asynchronous context of this call, for work that a request starts but that outlives it. Call it when a part is
 * created, which is mostly before the first request.
 *
 * Node gives timers, streams and promises the context in which they were created. Without this function a change stream that
 * the first request has started would belong to that request for ever. Its `req` would never be collected, events of later
 * changes would run with its AsyncLocalStorage stores, and tracers would count each read of the stream to its trace.
 */
export function createContextKeeper(): RunInContext {
  const resource = new AsyncResource('express-custom-user-data')
  return run => resource.runInAsyncScope(run)
}
