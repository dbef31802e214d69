import { expect, test } from 'vitest'
import { statesOf } from '../../cli/token-store.ts'

test('the state of each token for a host', () => {
	const now = 1000
	const tokens = [
		{ version: 'coming', created: 9, enabled: true, notBefore: 1001 },
		{ version: 'first', created: 8, enabled: true, notBefore: 1000, expires: 1001 },
		{ version: 'off', created: 7, enabled: false },
		{ version: 'over', created: 6, enabled: true, expires: 1000 },
		{ version: 'second', created: 5, enabled: true },
		{ version: 'third', created: 4, enabled: true },
		{ version: 'fourth', created: 3, enabled: true },
		{ version: 'fifth', created: 2, enabled: true },
	]
	expect(statesOf(tokens, now)).toEqual([
		'not yet',
		'accepted',
		'disabled',
		'expired',
		'accepted',
		'accepted',
		'accepted',
		'outnumbered',
	])
})
