/** An app of NestJS. */
import type { INestApplication } from '@nestjs/common'

export { promisify } from 'node:util'
export { Catch, HttpException } from '@nestjs/common'
export type { ArgumentsHost, CanActivate, ExceptionFilter, ExecutionContext } from '@nestjs/common'
export { AuthGuard } from '@nestjs/passport'
export declare const app: INestApplication
