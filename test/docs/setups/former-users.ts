/** The users of a former app, as a team has exported them. */
export interface FormerUser {
  _id: string
  email: string
  identities: { id: string; provider_type: string }[]
}

export declare const formerUsers: AsyncIterable<FormerUser>
