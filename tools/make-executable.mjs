/** Lets a system run the commands of the package in a folder: `tsc` writes files that nobody may run. */
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [, , folder = '.'] = process.argv
const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
for (const file of Object.values(bin)) chmodSync(join(folder, file), 0o755)
