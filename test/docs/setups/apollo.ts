import type { ApolloServer } from '@apollo/server'

export { expressMiddleware } from '@as-integrations/express5'
export { GraphQLError } from 'graphql'
export declare const server: ApolloServer<{ user: object }>
