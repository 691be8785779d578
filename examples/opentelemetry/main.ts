import { randomBytes } from 'node:crypto'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { ConsoleSpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type { Db } from 'mongodb'
import { serveExample } from '../support/serve-example.js'
import { recordMetrics } from './metrics.js'
import { traceRequests } from './requests.js'
import { recordSpans } from './spans.js'

const SCOPE = 'express-custom-user-data'

serveExample('opentelemetry_example', createApp)

async function createApp(db: Db): Promise<express.Express> {
  const userData = createCustomUserData({
    collection: db.collection('custom_user_data'),
    secret: randomBytes(32),
    issuer: 'https://auth.example.com',
    audience: 'https://api.example.com',
  })
  await userData.ready()

  // If your app uses OpenTelemetry already, take the meter and the tracer of its providers.
  const exporter = new PrometheusExporter({ preventServerStart: true })
  const meters = new MeterProvider({
    readers: [exporter],
    // Names in Prometheus end with the unit, and this exporter does not add it.
    views: ['load', 'operation'].map(name => ({
      instrumentName: `custom_user_data.${name}.duration`,
      name: `custom_user_data.${name}.duration.seconds`,
    })),
  })
  recordMetrics(meters.getMeter(SCOPE), () => userData.stats())

  const tracers = new NodeTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())],
  })
  tracers.register()
  const tracer = tracers.getTracer(SCOPE)
  recordSpans(tracer)

  const app = express()
  app.get('/metrics', (req, res) => exporter.getMetricsRequestHandler(req, res))
  app.use(traceRequests(tracer))
  app.post('/login', userData.login(userData.passwordCredentials({ collection: db.collection('users') })))
  app.post('/refresh', userData.refresh())
  app.post('/logout', userData.logout())
  app.use(userData.authenticate())
  app.get('/me', (req, res) => res.json(userData.user(req).customData))
  app.use(userData.errorHandler())
  return app
}
