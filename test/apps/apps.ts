import type { App } from './app.js'
import { expressGenerator } from './express-generator/app.js'
import { hackathonStarter } from './hackathon-starter/app.js'
import { nodeExpressBoilerplate } from './node-express-boilerplate/app.js'
import { nodeExpressMongooseTypescriptBoilerplate } from './node-express-mongoose-typescript-boilerplate/app.js'
import { restApiNodejsMongodb } from './rest-api-nodejs-mongodb/app.js'
import { typescriptExpressStarter } from './typescript-express-starter/app.js'

/** The apps, in the order in which they are tried. */
export const APPS: readonly App[] = [
  expressGenerator,
  restApiNodejsMongodb,
  nodeExpressBoilerplate,
  hackathonStarter,
  typescriptExpressStarter,
  nodeExpressMongooseTypescriptBoilerplate,
]
