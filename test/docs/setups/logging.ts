/** The app's logger, with the methods of pino. */
interface Log {
  error(first: unknown, message?: string): void
  warn(first: unknown, message?: string): void
  debug(first: unknown, message?: string): void
}

export declare const log: Log
