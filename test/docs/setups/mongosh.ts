/** The globals of mongosh. */
interface Database {
  getName: () => string
  getSiblingDB: (name: string) => Database
  createRole: (role: { role: string; roles: string[]; privileges: object[] }) => void
  createUser: (user: { user: string; pwd: string; roles: string[] }) => void
  getCollection: (name: string) => {
    createIndex: (keys: object, options?: object) => string
    find: (filter?: object) => { toArray: () => object[] }
  }
}

export declare const db: Database
export declare const passwordPrompt: () => string
