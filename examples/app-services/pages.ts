import { join } from 'node:path'
import express from 'express'
import { APP_ID } from './app.js'

const FOLDER = join(__dirname, 'page')
/** The client as pages without a build step load it. */
const CLIENT = join(require.resolve('realm-web/package.json'), '../dist/bundle.iife.js')

/** Creates the server of the page. In your set-up it is, for example, Vite. */
export function createPages(apiOrigin: string): express.Express {
  const pages = express()
  pages.use((_req, res, next) => {
    res.set({
      // The page loads nothing from elsewhere, and speaks to the API only.
      'Content-Security-Policy': `default-src 'self'; connect-src 'self' ${apiOrigin}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
    })
    next()
  })
  pages.get('/config', (_req, res) => void res.json({ appId: APP_ID, apiOrigin }))
  pages.get('/realm-web.js', (_req, res) => {
    res.sendFile(CLIENT)
  })
  pages.use(express.static(FOLDER))
  return pages
}
