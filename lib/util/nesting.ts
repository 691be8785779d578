/** More levels than any form needs. It is less than MongoDB accepts, and less than a recursive function can handle. */
export const MAX_INPUT_DEPTH = 32

/**
 * Whether objects and lists are nested more than `maxDepth` levels deep in a value; a value without members has depth 0. A
 * value that contains itself is too deep. The function is not recursive, because a few kilobytes from a stranger can be
 * nested so deeply that a recursive function exceeds the stack.
 */
export function isNestedDeeper(value: unknown, maxDepth: number): boolean {
  const open: { readonly holder: object; readonly depth: number }[] = []
  const add = (member: unknown, depth: number): void => {
    if (typeof member === 'object' && member !== null) open.push({ holder: member, depth })
  }
  add(value, 1)
  for (let next = open.pop(); next; next = open.pop()) {
    if (next.depth > maxDepth) return true
    for (const member of Object.values(next.holder)) add(member, next.depth + 1)
  }
  return false
}
