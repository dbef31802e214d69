import { expect, test } from 'vitest'
import { statesOf } from '../../cli/token-store.ts'
import type { Scope } from '../../shared/auth/credential.ts'

test('the state of each token for a host', () => {
	const now = 1000
	const ofOneScope = [
		{ version: 'coming', created: 9, enabled: true, notBefore: 1001 },
		{ version: 'first', created: 8, enabled: true, notBefore: 1000, expires: 1001 },
		{ version: 'off', created: 7, enabled: false },
		{ version: 'over', created: 6, enabled: true, expires: 1000 },
		{ version: 'second', created: 5, enabled: true },
		{ version: 'third', created: 4, enabled: true },
		{ version: 'fourth', created: 3, enabled: true },
		{ version: 'fifth', created: 2, enabled: true },
	]
	const tokens = ofOneScope.map((token) => ({ ...token, scope: 'scim' as const }))
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

test('tokens that may only read take the place of no other token', () => {
	const of = (scope: Scope, count: number) =>
		Array.from({ length: count }, (_, index) => ({
			version: `${scope} ${index}`,
			created: 99 - index,
			enabled: true,
			scope,
		}))
	const tokens = [...of('scim.read', 5), ...of('scim', 4)]
	expect(statesOf(tokens, 1000)).toEqual([
		...['accepted', 'accepted', 'accepted', 'accepted', 'outnumbered'],
		...['accepted', 'accepted', 'accepted', 'accepted'],
	])
})
