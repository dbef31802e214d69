import { accessTokens } from './access-tokens.ts'
import { cold } from './cold.ts'
import { consolePages } from './console.ts'
import { fairness } from './fairness.ts'
import { fill } from './fill.ts'
import { growth } from './growth.ts'
import { relay } from './relay.ts'
import { traffic } from './traffic.ts'
import { undoAtSize } from './undo.ts'
import { worst } from './worst.ts'
import { wrongTokens } from './wrong-tokens.ts'

/** The benches by the word after `npm run bench --`. */
const benches: Readonly<Record<string, (only: string) => Promise<void>>> = {
	'access-tokens': accessTokens,
	cold,
	fairness,
	console: consolePages,
	fill,
	growth,
	relay,
	traffic,
	undo: undoAtSize,
	worst,
	'wrong-tokens': wrongTokens,
}

const [name = 'traffic', only = ''] = process.argv.slice(2)
const bench = Object.hasOwn(benches, name) ? benches[name] : undefined
if (bench === undefined) {
	console.error(`error: there is no bench "${name}"\nhint: ${Object.keys(benches).join(', ')}`)
	process.exitCode = 2
} else await bench(only)
