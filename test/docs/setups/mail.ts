/** Sends mail: it prints it, so that a test of a page can follow the links. */
export function sendMail(address: string, link: string): Promise<void> {
  console.log(`Mail to ${address}: ${link}`)
  return Promise.resolve()
}
