/** The part of mongoose that guides use. The package itself is installed only where the drivers are tested. */
import type { CollectionLike } from 'express-custom-user-data'

interface Schema {
  post(event: 'save', listener: (document: { userId: unknown }) => void): void
}

interface Model {
  readonly collection: CollectionLike
  updateOne(filter: object, change: object): Promise<unknown>
}

export declare const mongoose: {
  readonly Schema: new (definition: object) => Schema
  readonly Types: { readonly ObjectId: new (hex: string) => object }
  model(name: string, schema: Schema, collection: string): Model
}

export interface User {
  email: string
  language: string
}
export declare const UserModel: Model
export declare const id: string
