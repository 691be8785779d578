import type { Stats } from 'express-custom-user-data'

const GAUGES = ['cached', 'cachedBytes']

/** The counters in Prometheus's text format. examples/opentelemetry also has the durations of loads. */
export function toPrometheusText({ refused, refusedTokens, changeStreams, ...counters }: Stats): string {
  const samples = Object.entries(counters).flatMap(([name, value]) => {
    const isGauge = GAUGES.includes(name)
    return toSamples(toMetricName(name, isGauge), isGauge ? 'gauge' : 'counter', { '': value })
  })
  return [
    ...samples,
    ...toSamples(toMetricName('refused', false), 'counter', labelled('code', refused)),
    ...toSamples(toMetricName('refusedTokens', false), 'counter', labelled('reason', refusedTokens)),
    ...toSamples(toMetricName('changeStreamsOpen', true), 'gauge', {
      '': Object.values(changeStreams).filter(state => state === 'open').length,
    }),
    '',
  ].join('\n')
}

function labelled(label: string, counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([value, count]) => [`{${label}="${value}"}`, count]))
}

function toSamples(metric: string, type: string, values: Readonly<Record<string, number>>): string[] {
  const samples = Object.entries(values).map(([labels, value]) => `${metric}${labels} ${value}`)
  return [`# TYPE ${metric} ${type}`, ...samples]
}

/** `sharedLoads` becomes `custom_user_data_shared_loads_total`. */
function toMetricName(name: string, isGauge: boolean): string {
  const words = name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
  return `custom_user_data_${words}${isGauge ? '' : '_total'}`
}
