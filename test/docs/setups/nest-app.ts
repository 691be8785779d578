/** An app of NestJS, with its module. */
export { Catch, Controller, createParamDecorator, Get, HttpException, Injectable } from '@nestjs/common'
export type { ArgumentsHost, CanActivate, ExceptionFilter, ExecutionContext } from '@nestjs/common'
export { NestFactory } from '@nestjs/core'
export { AuthGuard } from '@nestjs/passport'
export type { NestExpressApplication } from '@nestjs/platform-express'
export type { Request, Response } from 'express'
export { default as passport } from 'passport'
import type { ExceptionFilter, Type } from '@nestjs/common'
export declare const AppModule: Type
export declare const CustomUserDataFilter: Type<ExceptionFilter>
