export function loginAndReadMe(): Promise<unknown>
