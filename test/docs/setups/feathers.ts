export { errorHandler } from '@feathersjs/express'
export declare const NoteService: new () => any
export declare const app: any
