export { createProxyMiddleware } from 'http-proxy-middleware'
export declare const target: string
