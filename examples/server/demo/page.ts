import { join } from 'node:path'
import express, { Router } from 'express'
import type { RequestHandler } from 'express'

const FOLDER = join(__dirname, '..', 'page')

/** The page loads nothing from elsewhere, no page can frame it, and no text of it can become a script. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

/** Serves `index.html` at `/`, and its scripts and styles under `/demo`. */
export function createPageRoutes(): Router {
  const router = Router()
  router.use(['/demo', /^\/$/], setHeaders)
  router.get('/', (_req, res) => {
    res.sendFile('index.html', { root: FOLDER })
  })
  router.use('/demo', express.static(FOLDER, { index: false, redirect: false }))
  return router
}

const setHeaders: RequestHandler = (_req, res, next) => {
  res.set({
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
  })
  next()
}
