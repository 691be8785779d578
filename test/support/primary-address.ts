export { primaryAddress } from './database.js'
