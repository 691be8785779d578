import type { Attributes, Meter } from '@opentelemetry/api'
import type { Stats } from 'express-custom-user-data'
import { onMessage } from './channels.js'

const LOAD_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
/** Checking a password takes longer than a read. */
const OPERATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * Reports the counters of an instance, and the durations of loads, logins, refreshes and logouts, to a meter. Counters are
 * read when Prometheus asks, so they cost a request with a cached token nothing. Durations need each single value, so they
 * come from channels. Users, accounts and addresses belong in a log: as attributes they would be too many.
 *
 * @returns a function that ends the reports of durations
 */
export function recordMetrics(meter: Meter, stats: () => Stats): () => void {
  observeCounters(meter, stats)
  const loads = createDuration(meter, 'load', 'Duration of reads of custom data from MongoDB', LOAD_BUCKETS)
  const operations = createDuration(
    meter,
    'operation',
    'Duration of logins, refreshes and logouts',
    OPERATION_BUCKETS,
  )
  const stops = [
    onMessage('load', ({ ms, code }) => {
      loads.record(ms / 1000, errorType(code))
    }),
    onMessage('operation', ({ name, ms, code }) => {
      operations.record(ms / 1000, { operation: name, ...errorType(code) })
    }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

function createDuration(meter: Meter, name: string, description: string, explicitBucketBoundaries: number[]) {
  const advice = { explicitBucketBoundaries }
  return meter.createHistogram(`custom_user_data.${name}.duration`, { description, unit: 's', advice })
}

/** OpenTelemetry's attribute for the kind of an error. A success has none. */
function errorType(code: string | undefined): Attributes {
  return code === undefined ? {} : { 'error.type': code }
}

/** A value, and the attribute that tells it from others of its metric. */
type Observation = readonly [value: number, attributes?: Attributes]

function observeCounters(meter: Meter, stats: () => Stats): void {
  function count(
    name: string,
    unit: string,
    description: string,
    read: (stats: Stats) => readonly Observation[],
  ): void {
    meter
      .createObservableCounter(`custom_user_data.${name}`, { description, unit: `{${unit}}` })
      .addCallback(result => {
        for (const [value, attributes] of read(stats())) result.observe(value, attributes)
      })
  }

  count('requests', 'request', 'Requests, by where their custom data came from', now => [
    [now.hits, { source: 'cache' }],
    [now.claimSnapshots, { source: 'token' }],
    [now.sharedLoads, { source: 'shared_load' }],
    [now.misses - now.claimSnapshots - now.sharedLoads, { source: 'load' }],
  ])
  count('dropped', 'snapshot', 'Snapshots that were not served any more, by the reason', now => [
    [now.stale, { reason: 'stale' }],
    [now.evicted, { reason: 'evicted' }],
  ])
  count('invalidations', 'invalidation', 'Users invalidated', now => [[now.invalidated]])
  count('refused', 'request', 'Requests refused, by error code', now => byName('error.type', now.refused))
  count(
    'refused_tokens',
    'token',
    'Access tokens refused as forged, revoked or disabled, and for a few other reasons',
    now => byName('reason', now.refusedTokens),
  )
  count('failed_requests', 'request', 'Requests answered with 5xx, by error code', now =>
    byName('error.type', now.failedRequests),
  )
  count('throttled', 'request', 'Requests answered with 429, by the limit that they had reached', now =>
    byName('limit', now.throttled),
  )
  count('events', 'event', 'Events, by their names', now => byName('event', now.events))
  meter
    .createObservableGauge('custom_user_data.cached', {
      description: 'Snapshots in the cache',
      unit: '{snapshot}',
    })
    .addCallback(result => {
      result.observe(stats().cached)
    })
}

function byName(attribute: string, counts: Readonly<Record<string, number>>): Observation[] {
  return Object.entries(counts).map(([name, count]) => [count, { [attribute]: name }])
}
