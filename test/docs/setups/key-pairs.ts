/** Secrets of an app with a key pair. */
export declare const ACCESS_TOKEN_JWK: string
export declare const SESSION_SECRET: string
