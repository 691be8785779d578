import type { Response } from 'express'

/** Notes the cookies that an answer has so far. Returns the function that takes back later ones, unless the answer is sent. */
export function noteCookies(res: Response): () => void {
  const before = res.getHeader('Set-Cookie')
  return () => {
    if (res.headersSent) return
    if (before === undefined) res.removeHeader('Set-Cookie')
    else res.setHeader('Set-Cookie', before)
  }
}
