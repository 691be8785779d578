/** What a rule can look at: the user and the request. What is missing is `undefined`. */
export interface RuleFacts {
  readonly userId: string
  readonly customData: unknown
  /** The verified claims of the access token; `undefined` where another strategy authenticated. */
  readonly claims: unknown
  readonly request: RequestFacts
}

/** What a rule can look at of the request. */
export interface RequestFacts {
  readonly method: string
  readonly ip: string | undefined
  /** What follows the question mark; empty where there is none. */
  readonly rawQueryString: string
  /** A header, as the client sent it or middleware has set it; `undefined` if the client sent it twice. */
  header(name: string): string | undefined
  /** A parameter of the route. */
  param(name: string): string | undefined
}
