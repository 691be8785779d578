// Operations in a process of its own, as many at a time as asked, in alternating slots.

/** Runs each of `{ name: operation }` in turn for `slotMs`, `rounds` times; operations a second, by round. */
export async function alternate(operations, { rounds, slotMs, concurrency }) {
  const names = Object.keys(operations)
  const results = []
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const result = {}
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      result[name] = await runSlot(operations[name], slotMs, concurrency)
    }
    if (round > 0) results.push(result)
  }
  return results
}

async function runSlot(operation, slotMs, concurrency) {
  const startedAt = performance.now()
  let done = 0
  const worker = async index => {
    while (performance.now() - startedAt < slotMs) {
      await operation(index)
      done++
    }
  }
  await Promise.all(Array.from({ length: concurrency }, (_, index) => worker(index)))
  return (done / (performance.now() - startedAt)) * 1000
}
