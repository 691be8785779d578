import request from 'supertest'
import { expect, it } from 'vitest'
import { startExample } from '../support/run-example.js'

const CREDENTIALS = { email: 'alice@example.com', password: 'correct horse battery staple' }

it('exports to Prometheus the sources of custom data, the times of loads and the refusals', async () => {
  const { url, example } = await startExample('opentelemetry/main.ts')
  const { body: tokens } = await request(url).post('/login').send(CREDENTIALS).expect(200)
  for (let n = 0; n < 3; n++) {
    await request(url).get('/me').auth(tokens.access_token, { type: 'bearer' }).expect(200)
  }
  await request(url).get('/me').expect(401)

  const samples = await scrape(url)
  expect(samples.get('custom_user_data_requests_total{source="cache"}')).toBe(3)
  expect(samples.get('custom_user_data_requests_total{source="load"}')).toBe(0)
  expect(samples.get('custom_user_data_refused_total{code="missing_token"}')).toBe(1)
  expect(samples.get('custom_user_data_cached')).toBe(1)
  expect(samples.get('custom_user_data_load_duration_seconds_count{outcome="ok"}')).toBe(1)
  expect(samples.get('custom_user_data_load_duration_seconds_sum{outcome="ok"}')).toBeGreaterThan(0)
  expect(samples.get('custom_user_data_load_duration_seconds_sum{outcome="ok"}')).toBeLessThan(5)
  expect((await example.stop()).exitCode).toBe(0)
})

/** The metrics that Prometheus reads, by name and labels, without the labels that the exporter adds to each metric. */
async function scrape(url: string): Promise<Map<string, number>> {
  const { text } = await request(url)
    .get('/metrics')
    .expect(200)
    .expect('content-type', /text\/plain/)
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map(line => {
      const [, sample = '', value] = /^(.*) (\S+)$/.exec(line) ?? []
      return [withoutScope(sample), Number(value)]
    }),
  )
}

function withoutScope(sample: string): string {
  return sample
    .replace(/,?otel_scope_\w+="[^"]*"/g, '')
    .replace('{,', '{')
    .replace('{}', '')
}
