import { expect, test } from 'vitest'
import { endingCredentials } from '../../functions/ending-credentials.ts'
import { secretClient, secretOf } from '../support/oauth-host.ts'

const now = Date.UTC(2026, 0, 1)
const day = 86_400_000
const iso = (days: number) => new Date(now + days * day).toISOString()

const token = (id: string, created: number, expires?: number, more: { label?: string; scope?: 'scim.read' } = {}) => ({
	...{ id, scope: 'scim' as const, created: now + created * day },
	...(expires !== undefined && { expires: now + expires * day }),
	...more,
})

const idsOf = (...tokens: readonly ReturnType<typeof token>[]) =>
	endingCredentials(tokens, [], now).map(({ credential }) => credential)

test('a token that ends within two weeks is told of, unless a newer one of its scope and label lasts longer', () => {
	expect(idsOf(token('one', -9), token('two', -9, 15))).toEqual([])
	expect(idsOf(token('one', -9, 14), token('over', -9, -1))).toEqual(['one'])
	expect(idsOf(token('old', -9, 1), token('new', -1))).toEqual([])
	expect(idsOf(token('old', -9, 1), token('new', -1, 300))).toEqual([])
	expect(idsOf(token('new', -1, 1), token('old', -9))).toEqual(['new'])
	expect(idsOf(token('old', -9, 1), token('other', -1, 300, { label: 'HR' }))).toEqual(['old'])
	expect(idsOf(token('old', -9, 1), token('reader', -1, 300, { scope: 'scim.read' }))).toEqual(['old'])
})

test('so is a secret of a client, unless the client is disabled or has a newer one', () => {
	const soon = secretOf('soon', { created: iso(-300), expires: iso(3) })
	const clients = [
		secretClient('ends', [soon]),
		secretClient('disabled', [soon], { isDisabled: true }),
		secretClient('without', [{ ...soon, isDisabled: true }]),
		secretClient('rotated', [secretOf('next', { created: iso(-1), expires: iso(364) }), soon]),
	]
	expect(endingCredentials([], clients, now)).toEqual([{ credential: 'ends/id-of-soon', ends: iso(3) }])
})
