import type { Stats } from 'express-custom-user-data'

const GAUGES = ['cached', 'cachedBytes']

type Values = Readonly<Record<string, number>>

/** The counters in Prometheus's text format. examples/opentelemetry also has the durations of loads and logins. */
export function toPrometheusText(stats: Stats): string {
  const { refused, refusedTokens, operations, failedRequests, throttled, events, changeStreams, ...totals } =
    stats
  const samples = Object.entries(totals).flatMap(([name, value]) => {
    const isGauge = GAUGES.includes(name)
    return toSamples(toMetricName(name, isGauge), isGauge ? 'gauge' : 'counter', { '': value })
  })
  const outcomes = Object.entries(operations).flatMap(([operation, counts]) =>
    Object.entries(counts).map(([outcome, count]) => [
      `{operation="${operation}",outcome="${outcome}"}`,
      count,
    ]),
  )
  return [
    ...samples,
    ...toCounter('refused', labelled('code', refused)),
    ...toCounter('refusedTokens', labelled('reason', refusedTokens)),
    ...toCounter('operations', Object.fromEntries(outcomes) as Values),
    ...toCounter('failedRequests', labelled('code', failedRequests)),
    ...toCounter('throttled', labelled('limit', throttled)),
    ...toCounter('events', labelled('event', events)),
    ...toSamples(toMetricName('changeStreamsOpen', true), 'gauge', {
      '': Object.values(changeStreams).filter(state => state === 'open').length,
    }),
    '',
  ].join('\n')
}

function labelled(label: string, counts: Values): Values {
  return Object.fromEntries(Object.entries(counts).map(([value, count]) => [`{${label}="${value}"}`, count]))
}

function toCounter(name: string, values: Values): string[] {
  return toSamples(toMetricName(name, false), 'counter', values)
}

function toSamples(metric: string, type: string, values: Values): string[] {
  const samples = Object.entries(values).map(([labels, value]) => `${metric}${labels} ${value}`)
  return [`# TYPE ${metric} ${type}`, ...samples]
}

/** `sharedLoads` becomes `custom_user_data_shared_loads_total`. */
function toMetricName(name: string, isGauge: boolean): string {
  const words = name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
  return `custom_user_data_${words}${isGauge ? '' : '_total'}`
}
