import * as OpenApiValidator from 'express-openapi-validator'

export { OpenApiValidator }
export declare const apiSpec: string
