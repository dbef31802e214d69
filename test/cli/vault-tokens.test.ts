import { SecretClient } from '@azure/keyvault-secrets'
import { describe, expect, test } from 'vitest'
import { vaultTokens } from '../../cli/vault-tokens.ts'
import { keyVaultSource } from '../../shared/auth/key-vault-source.ts'
import { storedDigestOf } from '../../shared/auth/tokens.ts'
import { useKeyVault } from '../support/key-vault.ts'

const keyVault = useKeyVault()
const secret = 'scim-token-acme'
const second = 1000

/** The tokens through the real client, and as a host reads them. */
function open() {
	const vault = keyVault()
	const client = {
		disableChallengeResourceVerification: true,
		tlsOptions: { ca: vault.certificate },
		retryOptions: { maxRetries: 0 },
	}
	const { url: vaultUrl, credential } = vault
	const tokens = vaultTokens({
		connect: async () => new SecretClient(vaultUrl, credential, client),
		pollMilliseconds: 0,
	})
	const source = keyVaultSource({ vaultUrl, credential, client })
	const accepted = async (now = Date.now()) => (await source('acme', now)).map(({ value }) => value)
	return { vault, tokens, accepted }
}

describe('tokens in Key Vault', () => {
	test('are listed as versions, newest first, from all pages; none if there is no secret', async () => {
		const { vault, tokens } = open()
		const names = [30, 10, 20].map((created) => vault.add(secret, { value: `${created}`, created }))
		vault.add('scim-token-globex', { value: 'x', created: 40 })
		vault.secrets.get(secret)?.set('f'.repeat(32), { value: 'x', created: 5, enabled: false, notBefore: 6, expires: 7 })
		expect(await tokens.list('acme')).toEqual([
			{ version: names[0], enabled: true, scope: 'scim', isDigest: false, created: 30 * second },
			{ version: names[2], enabled: true, scope: 'scim', isDigest: false, created: 20 * second },
			{ version: names[1], enabled: true, scope: 'scim', isDigest: false, created: 10 * second },
			{
				...{ version: 'f'.repeat(32), enabled: false, scope: 'scim', isDigest: false },
				...{ created: 5 * second, notBefore: 6 * second, expires: 7 * second },
			},
		])
		expect(await tokens.list('initech')).toEqual([])
		vault.faultOf = () => ({ status: 404, code: 'SecretNotFound' })
		expect(await tokens.list('initech')).toEqual([])
	})

	test('that are added are read by a host, each as its own version', async () => {
		const { vault, tokens, accepted } = open()
		const first = await tokens.add('acme', 'first-token')
		const next = await tokens.add('acme', 'second-token')
		expect(first).toEqual({
			version: expect.stringMatching(/^[0-9a-f]{32}$/),
			enabled: true,
			scope: 'scim',
			isDigest: false,
			created: expect.any(Number),
		})
		expect([...(vault.secrets.get(secret)?.keys() ?? [])]).toEqual([first.version, next.version])
		expect((await accepted()).sort()).toEqual(['first-token', 'second-token'])
	})

	test('that are digests are marked in the list, also after a secret was deleted and after a change', async () => {
		const { vault, tokens, accepted } = open()
		const digest = storedDigestOf('a-token')
		vault.deleted.set(secret, new Map([['0'.repeat(32), { value: 'old', created: 1 }]]))
		const added = await tokens.add('acme', digest)
		await tokens.change('acme', added, { expires: Math.ceil(Date.now() / second + 60) * second })
		await tokens.add('acme', 'plain')
		const listed = await tokens.list('acme')
		expect(listed.filter(({ isDigest }) => isDigest).map((token) => token.version)).toEqual([added.version])
		expect((await accepted()).sort()).toEqual(['plain', digest])
	})

	test('that may only read are versions of another secret, with the label as a tag, and are removed too', async () => {
		const { vault, tokens, accepted } = open()
		await tokens.add('acme', 'full')
		const reader = await tokens.add('acme', 'reader', { scope: 'scim.read', label: 'HR application' })
		expect(reader).toMatchObject({ scope: 'scim.read', label: 'HR application' })
		expect([...(vault.secrets.get(secret)?.values() ?? [])].map(({ value }) => value)).toEqual(['full'])
		expect([...(vault.secrets.get('scim-read-token-acme')?.values() ?? [])]).toMatchObject([
			{ value: 'reader', tags: { label: 'HR application' } },
		])
		expect(await tokens.list('acme')).toContainEqual(reader)
		expect((await accepted()).sort()).toEqual(['full', 'reader'])
		await tokens.change('acme', reader, { enabled: false })
		expect(await accepted()).toEqual([storedDigestOf('full')])
		await tokens.remove('acme')
		expect([...vault.secrets.keys()]).toEqual([])
	})

	test('that are disabled or expired are not read by a host', async () => {
		const { tokens, accepted } = open()
		const [one, two] = [await tokens.add('acme', 'one'), await tokens.add('acme', 'two')]
		const end = Math.ceil(Date.now() / second + 3600) * second
		await tokens.change('acme', one, { enabled: false })
		await tokens.change('acme', two, { expires: end })
		expect(await accepted(end - 1)).toEqual(['two'])
		expect(await accepted(end)).toEqual([])
		expect(await tokens.list('acme')).toContainEqual({ ...two, expires: end })
	})

	test('that are removed are disabled first, so that a recovered secret has no valid token', async () => {
		const { vault, tokens, accepted } = open()
		await tokens.add('acme', 'one')
		await tokens.add('acme', 'two')
		await tokens.remove('acme')
		expect(vault.secrets.has(secret)).toBe(false)
		expect([...(vault.deleted.get(secret)?.values() ?? [])].map(({ enabled }) => enabled)).toEqual([false, false])
		expect(await accepted()).toEqual([])
		await tokens.remove('acme')
	})

	test('can be added again after the secret was deleted, and the old tokens stay disabled', async () => {
		const { vault, tokens, accepted } = open()
		await tokens.add('acme', 'old')
		vault.deleted.set(secret, vault.secrets.get(secret) ?? new Map())
		vault.secrets.delete(secret)
		const { version } = await tokens.add('acme', 'new')
		expect(await accepted()).toEqual(['new'])
		expect((await tokens.list('acme')).map((token) => [token.version === version, token.enabled]).sort()).toEqual([
			[false, false],
			[true, true],
		])
	})

	test('a vault that refuses does not count as a vault without tokens', async () => {
		const { vault, tokens } = open()
		vault.faultOf = () => ({ status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' })
		const refused = { name: 'RestError', statusCode: 403, code: 'Forbidden' }
		await expect(tokens.list('acme')).rejects.toMatchObject(refused)
		await expect(tokens.add('acme', 'value')).rejects.toMatchObject(refused)
		await expect(tokens.remove('acme')).rejects.toMatchObject(refused)
	})
})
