/** What a route can ask of the data that it is given. */
export interface MaxAgeOption {
  /**
   * The greatest age of custom data that this route accepts, in milliseconds since the load began; 0 or more. If the
   * snapshot is older, a new one is loaded for this request and for later requests with the same token. 0 loads now.
   * @default undefined: a snapshot serves until it is stale
   */
  readonly maxAgeMs?: number
}
