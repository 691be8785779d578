import { NeededRights } from '../checks/rights.js'
import { OwnHandlers } from '../checks/own-handlers.js'
import { RequestChecks } from '../checks/request-checks.js'
import { SetUpWarnings } from '../checks/set-up-warnings.js'
import { StoredUsernames } from '../checks/stored-usernames.js'
import { createUserIdIndex } from '../documents/user-id-index.js'
import { createEvents } from '../events.js'
import { createMetrics } from '../metrics.js'
import { openTeamDatabase } from '../mongo/team-database.js'
import { createOperations } from '../operations.js'
import { parseOptions } from '../options/parse-options.js'
import { createInvalidations } from '../snapshots/invalidations.js'
import { BackgroundWork } from '../util/background-work.js'

/** The parts that every room uses. */
export type Core = ReturnType<typeof createCore>

/** Parses the options and creates the parts that every room uses. Nothing is sent to MongoDB yet. */
export function createCore(options: unknown) {
  const config = parseOptions(options)
  const metrics = createMetrics(config.collection.collectionName)
  const events = createEvents(config.clock, metrics.event)
  const warnings = new SetUpWarnings(events, config.checksOff)
  const handlers = new OwnHandlers()
  return {
    config,
    clock: config.clock,
    events,
    metrics,
    operations: createOperations(config.clock, metrics.operation),
    warnings,
    handlers,
    requestChecks: new RequestChecks(warnings, handlers),
    rights: new NeededRights(),
    storedUsernames: new StoredUsernames(),
    database: openTeamDatabase(config.collection, { bson: config.bson }),
    userIdIndex: createUserIdIndex(config, events),
    invalidations: createInvalidations(),
    backgroundWork: new BackgroundWork(config.clock),
  }
}
