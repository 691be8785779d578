import { randomBytes } from 'node:crypto'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import express from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import type { Db } from 'mongodb'
import { serveExample } from '../support/serve-example.js'
import { countAuditEvents, recordMetrics } from './metrics.js'

serveExample('opentelemetry_example', createApp)

async function createApp(db: Db): Promise<express.Express> {
  const userData = createCustomUserData({
    collection: db.collection('custom_user_data'),
    secret: randomBytes(32),
    issuer: 'https://auth.example.com',
    audience: 'https://api.example.com',
  })
  await userData.ready()

  // If your app uses OpenTelemetry already, take the meter of its provider.
  const exporter = new PrometheusExporter({ preventServerStart: true })
  const provider = new MeterProvider({ readers: [exporter] })
  const meter = provider.getMeter('express-custom-user-data')
  recordMetrics(meter, () => userData.stats())
  countAuditEvents(meter, userData.events)

  const app = express()
  app.get('/metrics', (req, res) => exporter.getMetricsRequestHandler(req, res))
  app.post('/login', userData.login(userData.passwordCredentials({ collection: db.collection('users') })))
  app.use(userData.authenticate())
  app.get('/me', (req, res) => res.json(userData.user(req).customData))
  app.use(userData.errorHandler())
  return app
}
