/** An API with customers who have identity providers of their own. */
import type { CustomUserData } from 'express-custom-user-data'

export interface Tenant {
  issuer: string
  active: boolean
  host: string
}

export type { TrustedIssuer } from 'express-custom-user-data'
export declare const newTenant: Tenant
export declare const oldTenant: Tenant
export declare const issuerOf: (tenant: unknown) => string
export declare const instanceOf: (tenant: Tenant) => CustomUserData<object>
