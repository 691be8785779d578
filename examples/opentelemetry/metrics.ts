import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Meter } from '@opentelemetry/api'
import type { ChannelMessages, CustomUserData, CustomUserDataEvents, Stats } from 'express-custom-user-data'

const LOAD_CHANNEL = 'express-custom-user-data:load'

/**
 * Reports the counters of an instance and the duration of each load to a meter. Counters are read when Prometheus asks, so
 * they cost a request with a cached token nothing. Durations need each single value, so they come from the channel.
 *
 * @returns a function that stops the reports of durations
 */
export function recordMetrics(meter: Meter, stats: () => Stats): () => void {
  observeCounters(meter, stats)
  const duration = meter.createHistogram('custom_user_data_load_duration_seconds', {
    description: 'How long reads of custom data from MongoDB took',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1] },
  })
  const onLoad = (message: unknown): void => {
    const { ms, code } = message as ChannelMessages['load']
    duration.record(ms / 1000, { outcome: code ?? 'ok' })
  }
  subscribe(LOAD_CHANNEL, onLoad)
  return () => unsubscribe(LOAD_CHANNEL, onLoad)
}

/** Events that tell of attacks or of changes by administrators, see docs/events-and-metrics.md. */
const AUDITED = [
  'login_refused',
  'throttled',
  'reuse_detected',
  'refresh_refused',
  'revoked',
  'enabled',
  'session_end_refused',
  'fields_refused',
  'keys_replaced',
  'trusted_issuer_added',
  'trusted_issuer_removed',
] as const satisfies (keyof CustomUserDataEvents)[]

/** Counts events by their names. Accounts, users and addresses belong in a log: as labels they would be too many. */
export function countAuditEvents(meter: Meter, events: CustomUserData<object>['events']): void {
  const counter = meter.createCounter('custom_user_data_audit_events', {
    description: 'Events of logins, sessions and refused requests, by their names',
  })
  for (const event of AUDITED) events.on(event, () => counter.add(1, { event }))
}

function observeCounters(meter: Meter, stats: () => Stats): void {
  const requests = meter.createObservableCounter('custom_user_data_requests', {
    description: 'Requests, by where their custom data came from',
  })
  requests.addCallback(result => {
    const { hits, misses, claimSnapshots, sharedLoads } = stats()
    result.observe(hits, { source: 'cache' })
    result.observe(claimSnapshots, { source: 'token' })
    result.observe(sharedLoads, { source: 'shared_load' })
    result.observe(misses - claimSnapshots - sharedLoads, { source: 'load' })
  })
  const dropped = meter.createObservableCounter('custom_user_data_dropped', {
    description: 'Copies that were not served any more, by the reason',
  })
  dropped.addCallback(result => {
    result.observe(stats().stale, { reason: 'stale' })
    result.observe(stats().evicted, { reason: 'evicted' })
  })
  meter
    .createObservableCounter('custom_user_data_invalidations', { description: 'Users invalidated' })
    .addCallback(result => result.observe(stats().invalidated))
  meter
    .createObservableCounter('custom_user_data_refused', { description: 'Requests refused, by error code' })
    .addCallback(result => {
      for (const [code, count] of Object.entries(stats().refused)) result.observe(count, { code })
    })
  meter
    .createObservableCounter('custom_user_data_refused_tokens', {
      description: 'Access tokens refused as forged, revoked or disabled, and for a few other reasons',
    })
    .addCallback(result => {
      for (const [reason, count] of Object.entries(stats().refusedTokens)) result.observe(count, { reason })
    })
  meter
    .createObservableGauge('custom_user_data_cached', { description: 'Copies in the cache' })
    .addCallback(result => result.observe(stats().cached))
}
