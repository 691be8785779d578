import 'reflect-metadata'
import {
  Catch,
  Controller,
  createParamDecorator,
  Get,
  HttpException,
  Logger,
  Module,
  Req,
  UseGuards,
} from '@nestjs/common'
import type {
  ArgumentsHost,
  CanActivate,
  ExceptionFilter,
  ExecutionContext,
  LoggerService,
} from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { AuthGuard } from '@nestjs/passport'
import type { NestExpressApplication } from '@nestjs/platform-express'
import type { NextFunction, Request, Response } from 'express'
import { CustomUserDataError } from 'express-custom-user-data'
import passport from 'passport'
import request from 'supertest'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ALICE, CHALLENGE, forgedToken, tokenOfAlice, useAlice } from './alice.js'
import type { TestUserData } from './alice.js'

const createUserData = useAlice()

/** The parts that a team writes, over one instance. */
function createParts(userData: TestUserData) {
  /** Answers the errors of middleware, guards and handlers. */
  @Catch(CustomUserDataError)
  class CustomUserDataFilter implements ExceptionFilter<CustomUserDataError> {
    readonly #answer = userData.errorHandler()

    catch(error: CustomUserDataError, host: ArgumentsHost): void {
      const http = host.switchToHttp()
      void this.#answer(
        error,
        http.getRequest<Request>(),
        http.getResponse<Response>(),
        http.getNext<NextFunction>(),
      )
    }
  }

  class CustomUserDataGuard implements CanActivate {
    readonly #guard = userData.authenticate()

    async canActivate(context: ExecutionContext): Promise<boolean> {
      const http = context.switchToHttp()
      await this.#guard.run(http.getRequest<Request>(), http.getResponse<Response>())
      return true
    }
  }

  class PassportGuard extends AuthGuard('custom-user-data') {
    override handleRequest<User>(
      error: unknown,
      user: User | false,
      challenge: string,
      context: ExecutionContext,
      status: number,
    ): User {
      if (error) throw error as Error
      if (user) return user
      context.switchToHttp().getResponse<Response>().set('WWW-Authenticate', challenge)
      throw new HttpException('Unauthorized', status)
    }
  }

  const me = (req: Request) => {
    const { id, customData } = userData.user(req)
    return { id, customData }
  }

  const CurrentUser = createParamDecorator((_data: unknown, context: ExecutionContext) =>
    userData.user(context.switchToHttp().getRequest<Request>()),
  )

  @Controller()
  class Routes {
    @Get('behind-middleware')
    behindMiddleware(@Req() req: Request) {
      return me(req)
    }

    @Get('behind-guard')
    @UseGuards(CustomUserDataGuard)
    behindGuard(@CurrentUser() { id, customData }: ReturnType<typeof userData.user>) {
      return { id, customData }
    }

    @Get('behind-passport')
    @UseGuards(PassportGuard)
    behindPassport(@Req() req: Request) {
      return me(req)
    }
  }

  @Module({ controllers: [Routes] })
  class AppModule {}

  return { AppModule, CustomUserDataFilter }
}

/** What the app logged as an error. */
class ErrorLog implements LoggerService {
  readonly errors: unknown[] = []
  log(): void {
    // Only errors are of interest.
  }
  warn(): void {
    // Only errors are of interest.
  }
  error(...given: unknown[]): void {
    this.errors.push(...given)
  }
}

async function start() {
  const userData = createUserData()
  const { AppModule, CustomUserDataFilter } = createParts(userData)
  passport.use(userData.strategy())
  const logger = new ErrorLog()
  Logger.overrideLogger(logger)
  const app = await NestFactory.create<NestExpressApplication>(AppModule)
  app.use(
    '/login',
    userData.login(({ username }) => (username === ALICE.id ? { id: ALICE.id } : null)),
  )
  app.use('/behind-middleware', userData.authenticate())
  app.useGlobalFilters(new CustomUserDataFilter())
  await app.init()
  onTestFinished(() => app.close())
  const server = app.getHttpServer()
  const get = (path: string, token?: string) =>
    request(server)
      .get(path)
      .set(token === undefined ? {} : { Authorization: `Bearer ${token}` })
  return { userData, server, get, logger }
}

const WAYS = ['/behind-middleware', '/behind-guard', '/behind-passport']

describe('in a NestJS app', () => {
  it.each(WAYS)('%s lets the user in, with the custom data', async path => {
    const { get } = await start()
    expect((await get(path, tokenOfAlice())).body).toEqual(ALICE)
  })

  it('a login gives a token that the guard takes', async () => {
    const { get, server } = await start()
    const login = await request(server).post('/login').send({ username: ALICE.id })
    expect((await get('/behind-guard', login.body.access_token)).body).toEqual(ALICE)
  })

  it.each(WAYS)('%s answers 401 with the challenge, and logs no error', async path => {
    const { get, logger } = await start()
    const without = await get(path)
    expect(without.status).toBe(401)
    expect(without.headers['www-authenticate']).toBe(CHALLENGE)
    const forged = await get(path, forgedToken())
    expect(forged.status).toBe(401)
    expect(forged.headers['www-authenticate']).toContain('error="invalid_token"')
    expect(logger.errors).toEqual([])
  })

  it.each(WAYS)('%s answers 400 to a malformed header', async path => {
    const { get } = await start()
    const answer = await get(path, 'not a token')
    expect(answer.status).toBe(400)
    expect(answer.headers['www-authenticate']).toContain('error="invalid_request"')
  })

  it.each(WAYS)('%s answers 503 with Retry-After, as an event and not as an error of Nest', async path => {
    const { get, logger, userData } = await start()
    const failed: string[] = []
    userData.events.on('request_failed', ({ code }) => failed.push(code))
    await userData.close()
    const answer = await get(path, tokenOfAlice())
    expect(answer.status).toBe(503)
    expect(answer.headers).toMatchObject({
      'retry-after': '1',
      'content-type': expect.stringContaining('application/problem+json'),
    })
    expect(answer.body).toMatchObject({ code: 'closed' })
    expect(failed).toEqual(['closed'])
    expect(logger.errors).toEqual([])
  })
})
