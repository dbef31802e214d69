import { expect, test } from 'vitest'
import { clientKind } from '../../../shared/scim/client-kind.ts'
import type { Quirk } from '../../../shared/scim/dialect.ts'

test.each([
	['Okta SCIM Client 1.0.0', 'Okta'],
	['azure-ad-scim-provisioning/1.0', 'Entra'],
	['OneLogin SCIM', 'OneLogin'],
	['PingFederate/12.0', 'Ping'],
	['curl/8.5.0', 'curl'],
	['Mozilla/5.0 (Windows NT; Windows NT 10.0) WindowsPowerShell/5.1', 'PowerShell'],
	['my client', undefined],
	['', undefined],
	[null, undefined],
])('a client that calls itself %j is %s', (userAgent, kind) => {
	expect(clientKind(userAgent)).toBe(kind)
})

test.each<[readonly Quirk[], string | undefined]>([
	[['operationInAnyCase'], 'Entra'],
	[['unknownLeftOut', 'elementFromFilter'], 'Entra'],
	[['unknownLeftOut'], undefined],
	[[], undefined],
])('a client without a name whose requests have the quirks %j is %s', (quirks, kind) => {
	expect(clientKind(null, quirks)).toBe(kind)
})

test('a client with a name is not taken for another one by its quirks', () => {
	expect(clientKind('my client', ['operationInAnyCase'])).toBe(undefined)
})
