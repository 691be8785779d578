export { HttpError, useExpressServer } from 'routing-controllers'
export declare const controllers: (new () => object)[]
