/** Two HS256 secrets, while one replaces the other. */
export declare const old: string
export declare const next: string
