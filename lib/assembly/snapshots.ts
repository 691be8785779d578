import { DocumentWatches } from '../snapshots/document-watches.js'
import { createSnapshots } from '../snapshots/snapshots.js'
import { ClaimSnapshots } from '../token-data/claim-snapshots.js'
import type { Checks } from './checks.js'
import type { Core } from './core.js'
import type { Documents } from './documents.js'
import type { SessionParts } from './sessions.js'

/** The cache of snapshots, the custom data inside our own access tokens, and the watches of documents. */
export type SnapshotParts = ReturnType<typeof createSnapshotParts>

/** Creates the places that hold custom data. Invalidations reach them from now on. */
export function createSnapshotParts(
  core: Core,
  { documents, loader, codec, startSetUp }: Documents,
  { revocations }: SessionParts,
  { changeFeeds }: Checks,
) {
  const { config, database, clock, metrics, invalidations } = core
  const followsChanges = config.changeStreams !== 'off'
  const claimSnapshots =
    codec &&
    new ClaimSnapshots(
      {
        ...config,
        followsChanges,
        issuer: config.own?.issuer ?? '',
        // With a projection for clients, a token holds only a part of what handlers get.
        forClientsOnly: config.userDataInToken?.projection !== undefined,
      },
      {
        codec,
        documents,
        namespace: () => database.namespace(),
        isUpToDate: () => !followsChanges || changeFeeds.isOpen(),
        mayBeRevoked: (userId, claims) => revocations.mayBeRevoked(userId, claims),
        clock,
      },
    )
  const snapshots = createSnapshots({ ...config, followsChanges }, loader, clock, metrics)
  if (claimSnapshots) invalidations.add(claimSnapshots)
  invalidations.add(snapshots)
  const watches = new DocumentWatches(config, { loader, changes: changeFeeds.customData, start: startSetUp })
  invalidations.add(watches)
  return { snapshots, claimSnapshots, watches }
}
