import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { keyVaultSource, type VaultOptions } from '../../../shared/auth/key-vault-source.ts'
import { storedDigestOf, tokenVerifier } from '../../../shared/auth/tokens.ts'
import { accessToken, type Fault, useKeyVault } from '../../support/key-vault.ts'
import { type Trouble, useManagedIdentity } from '../../support/managed-identity.ts'

const keyVault = useKeyVault()
const managedIdentity = useManagedIdentity()
const secret = 'scim-token-acme'
/** The secret of the tokens that may only read. */
const readSecret = 'scim-read-token-acme'
const start = Date.UTC(2026, 0, 1)
/** A time in seconds, as Key Vault counts it: `seconds` after the beginning of 2026. */
const at = (seconds: number) => start / 1000 + seconds

/** The source with the real clients, a new vault and a new identity, and a verifier. The test moves the clock. */
function open(options: Partial<VaultOptions> = {}) {
	const [vault, identity] = [keyVault(), managedIdentity()]
	const clientId = identity.newClientId()
	const clock = { time: start + 3600_000 }
	const source = keyVaultSource({
		vaultUrl: vault.url,
		clientId,
		client: {
			disableChallengeResourceVerification: true,
			tlsOptions: { ca: vault.certificate },
			retryOptions: { maxRetries: 2, retryDelayInMs: 0, maxRetryDelayInMs: 0 },
		},
		...options,
	})
	const verify = tokenVerifier({ source, isTenant: async () => true, now: () => clock.time })
	const authenticate = (token: string) => verify('acme', token)
	const accepts = async (token: string) => (await authenticate(token)) !== undefined
	return { vault, identity, clientId, clock, source, authenticate, accepts }
}

const valuesOf = (tokens: readonly { readonly value: string }[]) => tokens.map(({ value }) => value)

describe('the tokens of a tenant in Key Vault', () => {
	test('are the versions of its secret with their times, each read by version', async () => {
		const { vault, source } = open()
		const first = vault.add(secret, { value: 'first', created: at(0), notBefore: at(10), expires: at(7200) })
		const second = vault.add(secret, { value: 'second', created: at(20) })
		vault.add('scim-token-globex', { value: 'third', created: at(0) })
		expect(await source('acme', start + 3600_000)).toEqual([
			{ id: second, scope: 'scim', value: 'second', created: start + 20_000 },
			{
				id: first,
				scope: 'scim',
				value: 'first',
				created: start,
				notBefore: start + 10_000,
				expires: start + 7200_000,
			},
		])
		expect(vault.requests[0]).toBe(`/secrets/${secret}/versions`)
		expect(new Set(vault.requests.slice(1))).toEqual(
			new Set([`/secrets/${secret}/${first}`, `/secrets/${secret}/${second}`, `/secrets/${readSecret}/versions`]),
		)
	})

	test.each([
		['disabled', { enabled: false }],
		['expired', { expires: at(3600) }],
	])('do not include a version that is %s, which is not even read', async (_, state) => {
		const { vault, source } = open()
		vault.add(secret, { value: 'good', created: at(0) })
		const bad = vault.add(secret, { value: 'bad', created: at(1), ...state })
		expect(valuesOf(await source('acme', start + 3600_000))).toEqual(['good'])
		expect(vault.requests).not.toContain(`/secrets/${secret}/${bad}`)
	})

	test('are the newest four of all versions on all pages', async () => {
		const { vault, source } = open()
		for (const seconds of [3, 8, 1, 6, 4, 9, 2, 7, 5]) {
			vault.add(secret, { value: `token-${seconds}`, created: at(seconds) })
		}
		expect(valuesOf(await source('acme', start + 3600_000))).toEqual(['token-9', 'token-8', 'token-7', 'token-6'])
		expect(vault.requests.filter((path) => path.endsWith('/versions'))).toHaveLength(6)
		expect(vault.requests).toHaveLength(6 + 4)
	})

	test.each<[string, Fault | undefined]>([
		['has an empty list', undefined],
		['does not exist', { status: 404, code: 'SecretNotFound' }],
	])('are none if the secret %s', async (_, fault) => {
		const { vault, source } = open()
		vault.faultOf = () => fault
		expect(await source('acme', start)).toEqual([])
		expect(vault.requests.toSorted((a, b) => b.length - a.length)).toEqual([
			`/secrets/${readSecret}/versions`,
			`/secrets/${secret}/versions`,
			`/secrets/${secret}/`,
		])
	})

	test('that may only read are in a secret of their own, and have labels', async () => {
		const { vault, source, authenticate } = open()
		const full = vault.add(secret, { value: 'full', created: at(0), tags: { label: 'Entra' } })
		for (const seconds of [1, 2, 3, 4, 5]) vault.add(readSecret, { value: `read-${seconds}`, created: at(seconds) })
		const tokens = await source('acme', start + 3600_000)
		expect(valuesOf(tokens).toSorted()).toEqual(['full', 'read-2', 'read-3', 'read-4', 'read-5'])
		expect(await authenticate('full')).toEqual({ id: full, label: 'Entra', scope: 'scim' })
		expect(await authenticate('read-5')).toEqual({ id: expect.any(String), scope: 'scim.read' })
		expect(await authenticate('read-1')).toBeUndefined()
	})

	test.each<[string, Fault]>([
		['disabled', { status: 403, code: 'Forbidden', innerCode: 'SecretDisabled' }],
		['deleted', { status: 404, code: 'SecretNotFound' }],
	])('do not include a version that is %s after it was listed', async (_, fault) => {
		const { vault, source } = open()
		vault.add(secret, { value: 'good', created: at(0) })
		const bad = vault.add(secret, { value: 'bad', created: at(1) })
		vault.faultOf = (path) => (path.endsWith(bad) ? fault : undefined)
		expect(valuesOf(await source('acme', start))).toEqual(['good'])
	})
})

describe('a rotation', () => {
	test('has no gap: both tokens are accepted until the old one is disabled', async () => {
		const { vault, clock, accepts } = open()
		const old = vault.add(secret, { value: 'old', created: at(0) })
		expect(await accepts('old')).toBe(true)

		vault.add(secret, { value: 'new', created: at(3600) })
		clock.time += 2000
		expect(await accepts('new')).toBe(true)
		expect(await accepts('old')).toBe(true)

		vault.secrets.get(secret)?.set(old, { value: 'old', created: at(0), enabled: false })
		clock.time += 24 * 3600_000
		expect(await accepts('old')).toBe(false)
		expect(await accepts('new')).toBe(true)
	})

	test('may be prepared for a later time', async () => {
		const { vault, clock, accepts } = open()
		vault.add(secret, { value: 'old', created: at(0), expires: at(7200) })
		vault.add(secret, { value: 'new', created: at(1), notBefore: at(7000) })
		const seen = []
		for (const seconds of [3600, 6999, 7000, 7199, 7200]) {
			clock.time = at(seconds) * 1000
			seen.push([await accepts('old'), await accepts('new')])
		}
		expect(seen).toEqual([
			[true, false],
			[true, false],
			[true, true],
			[true, true],
			[false, true],
		])
	})
})

describe('an outage', () => {
	const faults: readonly (readonly [string, Fault, number])[] = [
		['a broken connection', 'reset', 3],
		['a vault that throttles', { status: 429, code: 'Throttled', headers: { 'Retry-After': '0' } }, 3],
		['a vault that is down', { status: 503, code: 'ServiceUnavailable' }, 3],
		['a fault of the vault', { status: 500, code: 'InternalServerError' }, 3],
		['an identity without the role', { status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' }, 1],
		['a firewall', { status: 403, code: 'Forbidden', innerCode: 'ForbiddenByFirewall' }, 1],
		['a 404 of another service', { status: 404, code: 'NotFound' }, 1],
	]

	test.each(faults)('such as %s is a 503 for as long as it lasts', async (_, fault, attempts) => {
		const { vault, clock, accepts } = open()
		vault.add(secret, { value: 'good', created: at(0) })
		vault.faultOf = () => fault
		await expect(accepts('good')).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': '2' } })
		// Both secrets of the tenant are listed.
		expect(vault.requests).toHaveLength(2 * attempts)
		vault.faultOf = () => undefined
		clock.time += 5000
		expect(await accepts('good')).toBe(true)
	})

	test.each(faults)('such as %s does not change the known tokens', async (_, fault) => {
		const { vault, clock, accepts } = open()
		vault.add(secret, { value: 'good', created: at(0) })
		expect(await accepts('good')).toBe(true)
		vault.faultOf = () => fault
		clock.time += 23 * 3600_000
		expect(await accepts('good')).toBe(true)
		await expect(accepts('other')).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': '2' } })
	})

	test('of one attempt has no effect', async () => {
		const { vault, accepts } = open()
		vault.add(secret, { value: 'good', created: at(0) })
		const faults: Fault[] = ['reset', { status: 503, code: 'ServiceUnavailable' }]
		vault.faultOf = () => faults.pop()
		expect(await accepts('good')).toBe(true)
	})

	test('is explained in the log, without the access token', async () => {
		const { vault, accepts } = open()
		vault.faultOf = () => ({ status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' })
		const error = await accepts('good').catch((thrown: unknown) => thrown)
		expect(error).toMatchObject({ cause: { statusCode: 403, code: 'Forbidden' } })
		expect(inspect(error, { depth: 20 })).not.toContain(accessToken)
	})

	test('that hits only the versions is a 503 too', async () => {
		const { vault, accepts } = open()
		const version = vault.add(secret, { value: 'good', created: at(0) })
		vault.faultOf = (path) =>
			path.endsWith(version) ? { status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' } : undefined
		await expect(accepts('good')).rejects.toMatchObject({ status: 503, cause: { statusCode: 403, code: 'Forbidden' } })
	})

	test.each(['versions', '[0-9a-f]{32}'])(
		'such as a vault that does not answer for %s ends at the deadline',
		async (last) => {
			const deadline = new AbortController()
			const { vault, accepts } = open({ deadline: () => deadline.signal })
			vault.add(secret, { value: 'good', created: at(0) })
			const hungUp = new Promise<void>((resolve) => {
				vault.onHangUp = resolve
			})
			vault.faultOf = (path) => {
				if (!new RegExp(`/${last}$`).test(path)) return undefined
				deadline.abort(new Error('too late'))
				return 'silent'
			}
			await expect(accepts('good')).rejects.toMatchObject({ status: 503, cause: { message: 'too late' } })
			await hungUp
		},
	)

	test('such as a vault that asks for a long pause ends at the deadline', async () => {
		const deadline = new AbortController()
		const { vault, accepts } = open({ deadline: () => deadline.signal })
		vault.faultOf = () => {
			setImmediate(() => deadline.abort(new Error('too late')))
			return { status: 429, code: 'Throttled', headers: { 'Retry-After': '3600' } }
		}
		await expect(accepts('good')).rejects.toMatchObject({ status: 503, cause: { message: 'too late' } })
	})

	test('such as an identity endpoint that does not answer ends at the deadline', async () => {
		const deadline = new AbortController()
		const { identity, accepts } = open({ deadline: () => deadline.signal })
		identity.troubleOf = () => {
			deadline.abort(new Error('too late'))
			return 'silent'
		}
		await expect(accepts('good')).rejects.toMatchObject({ status: 503, cause: { message: 'too late' } })
	})
})

describe('the managed identity', () => {
	test('is asked once for an access token for the vault, by its client id', async () => {
		const { vault, identity, clientId, source } = open()
		vault.add(secret, { value: 'good', created: at(0) })
		expect(valuesOf(await source('acme', start))).toEqual(['good'])
		expect(valuesOf(await source('acme', start))).toEqual([storedDigestOf('good')])
		expect(identity.requests).toEqual([`${clientId} https://vault.azure.net`])
	})

	test('is asked again when the access token expires', async () => {
		const { identity, source } = open()
		identity.lifetime = 60
		await source('acme', start)
		await source('acme', start)
		expect(identity.requests.length).toBeGreaterThan(1)
	})

	const troubles: readonly (readonly [string, Trouble, number])[] = [
		['whose endpoint breaks connections', 'reset', 3],
		['whose endpoint is down', { status: 500, message: 'Internal Server Error' }, 3],
		['whose endpoint does not exist yet', { status: 404, message: 'Not Found' }, 3],
		['that the app does not have', { status: 400, message: 'No User Assigned Identity found' }, 1],
	]

	test.each(troubles)('%s is a 503 for as long as the problem lasts', async (_, trouble, attempts) => {
		const { vault, identity, clock, accepts } = open()
		vault.add(secret, { value: 'good', created: at(0) })
		identity.troubleOf = () => trouble
		const error = await accepts('good').catch((thrown: unknown) => thrown)
		expect(error).toMatchObject({ status: 503, headers: { 'Retry-After': '2' } })
		expect(inspect(error)).toContain('ManagedIdentityCredential')
		expect(identity.requests).toHaveLength(attempts)
		identity.troubleOf = () => undefined
		clock.time += 5000
		expect(await accepts('good')).toBe(true)
	})

	test.each(troubles)('%s does not change the known tokens', async (_, trouble) => {
		const { vault, identity, clock, accepts } = open()
		identity.lifetime = 0
		vault.add(secret, { value: 'good', created: at(0) })
		expect(await accepts('good')).toBe(true)
		const asked = vault.requests.length
		identity.troubleOf = () => trouble
		clock.time += 23 * 3600_000
		expect(await accepts('good')).toBe(true)
		await expect(accepts('other')).rejects.toMatchObject({ status: 503 })
		expect(vault.requests).toHaveLength(asked)
	})
})
