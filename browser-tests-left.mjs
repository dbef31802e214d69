// Says how many tests `npm test` leaves to `npm run test:browser`.

import { execFileSync } from 'node:child_process'

const words = ['node_modules/vitest/vitest.mjs', 'list', '--config', 'vitest.browser.config.ts', '--json']
const { length } = JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8' }))
console.log(`${length} browser tests are left to: npm run test:browser`)
