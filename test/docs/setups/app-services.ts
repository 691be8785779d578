/** Names that the examples of the entry point for clients of App Services use without declaring them. */
import type { AppServices, EmailToken } from 'express-custom-user-data/app-services'

export declare const mongoose: { readonly connection: { readonly db: import('mongodb').Db } }
export { AppServicesError, createAppServices } from 'express-custom-user-data/app-services'
export declare const appServices: AppServices
export declare const orders: import('mongodb').Collection
export declare const audit: import('mongodb').Collection
export declare const addTodo: (userId: string, text: string) => Promise<void>
export declare const removeAll: () => Promise<void>
export declare const findAccount: (email: string, pin: string) => Promise<{ id: string; name: string } | null>
export declare const sendConfirmationMail: (mail: EmailToken) => Promise<void>
export declare const sendResetMail: (mail: EmailToken) => Promise<void>
export declare const logError: (error: unknown) => void
