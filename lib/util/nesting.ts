import { isAnyArrayBuffer } from 'node:util/types'

/** The largest body that any of our routes takes, and the largest value that stands for one. */
export const MAX_INPUT_BYTES = 100 * 1024
/** More levels than any form needs. It is less than MongoDB accepts, and less than a recursive function can handle. */
export const MAX_INPUT_DEPTH = 32
/** A value with more members than this would hold up other requests: 9,000 took 72 ms of the event loop in a `PATCH`. */
export const MAX_INPUT_MEMBERS = 5_000

/** The limits of a value that comes from a stranger. */
interface NestingLimits {
  /** Levels of objects and lists; a value without members has none. */
  readonly depth: number
  /** Members of objects and elements of lists, at all levels together. */
  readonly members: number
}

/**
 * Tells which limit a value exceeds, or that it holds binary data, which no JSON and no form does. Sockets and other parsers
 * make it, and each byte would count as a member. A value that contains itself is too deep. The function is not recursive, because a few
 * kilobytes from a stranger can be nested so deeply that a recursive function exceeds the stack.
 */
export function exceededLimit(
  value: unknown,
  limits: NestingLimits,
): 'depth' | 'members' | 'binary' | undefined {
  const open: { readonly holder: object; readonly depth: number }[] = []
  const add = (member: unknown, depth: number): void => {
    if (typeof member === 'object' && member !== null) open.push({ holder: member, depth })
  }
  let count = 0
  add(value, 1)
  for (let next = open.pop(); next; next = open.pop()) {
    if (next.depth > limits.depth) return 'depth'
    if (ArrayBuffer.isView(next.holder) || isAnyArrayBuffer(next.holder)) return 'binary'
    const members: unknown[] = Object.values(next.holder)
    count += members.length
    if (count > limits.members) return 'members'
    for (const member of members) add(member, next.depth + 1)
  }
  return undefined
}
