import { DOCUMENT_KINDS, measureFullCache } from './full-cache.js'

// Prints the memory of a full cache for each kind of document, as a ratio to `maxSnapshotBytes`.

const MAX_SNAPSHOT_BYTES = 8 * 2 ** 20

console.log('| documents | memory of a full cache, of `maxSnapshotBytes` |\n| --- | --- |')
for (const [kind, makeDocument] of Object.entries(DOCUMENT_KINDS)) {
  console.log(`| ${kind} | ${(await measureFullCache(makeDocument, MAX_SNAPSHOT_BYTES)).toFixed(2)} |`)
}
