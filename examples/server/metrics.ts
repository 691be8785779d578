import type { Stats } from 'express-custom-user-data'

const GAUGES = ['cached', 'cachedBytes']

/** The counters in Prometheus's text format. examples/opentelemetry also has the durations of loads. */
export function toPrometheusText({ refused, changeStreams, ...counters }: Stats): string {
  const samples = Object.entries(counters).flatMap(([name, value]) => {
    const isGauge = GAUGES.includes(name)
    return toSamples(toMetricName(name, isGauge), isGauge ? 'gauge' : 'counter', { '': value })
  })
  const refusals = Object.entries(refused).map(([code, count]) => [`{code="${code}"}`, count] as const)
  return [
    ...samples,
    ...toSamples(toMetricName('refused', false), 'counter', Object.fromEntries(refusals)),
    ...toSamples(toMetricName('changeStreamsOpen', true), 'gauge', {
      '': Object.values(changeStreams).filter(state => state === 'open').length,
    }),
    '',
  ].join('\n')
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
