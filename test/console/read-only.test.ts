import { SecretClient } from '@azure/keyvault-secrets'
import { afterEach, describe, expect, test } from 'vitest'
import { vaultTokens } from '../../cli/vault-tokens.ts'
import { useConsole } from '../support/console.ts'
import { useKeyVault } from '../support/key-vault.ts'
import { refusedWrites } from '../support/refused-writes.ts'

const { role, intercept } = refusedWrites()
const vault = useKeyVault()

/** The tokens in a vault that refuses what `faultOf` says. */
const tokens = () => {
	const { url, credential, certificate } = vault()
	const options = {
		tlsOptions: { ca: certificate },
		// The vault of the tests is not in vault.azure.net.
		disableChallengeResourceVerification: true,
		retryOptions: { maxRetries: 0 },
	}
	return vaultTokens({ connect: async () => new SecretClient(url, credential, options) })
}
const started = useConsole({ intercept, tokens })

afterEach(() => {
	role.isOn = false
})

const storageRole =
	'you need the role Storage Table Data Contributor on the storage account, and access from this network; a new role takes a few minutes to work'
const vaultRole =
	'you need the role Key Vault Secrets Officer on the vault, and access from this network; a new role takes a few minutes to work'

describe('with roles that may only read', () => {
	test('all that reads works, and writes nothing', async () => {
		const { ask, addTenant } = started()
		const client = await addTenant('acme', { settings: { history: 'full' } })
		await client.send('POST', '/Users', { userName: 'joy@example.com' })
		role.isOn = true
		role.tried = 0
		for (const page of ['credentials', 'schema', 'settings', 'safety', 'relay', 'forms/schema']) {
			expect(await ask('GET', `/tenants/acme/${page}`), page).toMatchObject({ status: 200 })
		}
		const preview = await ask('POST', '/tenants/acme/undo-preview', { fields: { since: '1h', only: 'deletions' } })
		expect(preview.body).toMatchObject({ state: 'done', json: { activated: 0 } })
		expect(role.tried).toBe(0)
	})

	test('what the operator may not write is told with the missing role', async () => {
		const { ask, addTenant } = started()
		await addTenant('acme')
		role.isOn = true
		expect((await ask('GET', '/access')).body).toEqual({ tables: storageRole })
	})

	test('an action is refused with the missing role, and changes nothing', async () => {
		const { ask, addTenant, target } = started()
		await addTenant('acme')
		role.isOn = true
		const { body } = await ask('POST', '/tenants/acme/actions/tenant%20set', { fields: { 'guard-people': '7' } })
		expect(body).toMatchObject({
			state: 'refused',
			error: expect.stringMatching(/^the table service answered 403 AuthorizationPermissionMismatch/),
			hint: storageRole,
		})
		expect((await target.tenants.getTenant('acme'))?.settings).not.toHaveProperty('guardPeople')
	})

	test('a vault that may not be written is told, and one that may not be read leaves the clients', async () => {
		const { ask, addTenant } = started()
		await addTenant('acme')
		const forbidden = { status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' } as const
		const running = vault()
		running.faultOf = (path) => (path.endsWith('/versions') ? undefined : forbidden)
		expect((await ask('GET', '/access')).body).toEqual({ vault: vaultRole })
		expect(await ask('GET', '/tenants/acme/credentials')).toMatchObject({ status: 200, body: { tokens: [] } })
		running.faultOf = () => forbidden
		expect(await ask('GET', '/tenants/acme/credentials')).toMatchObject({
			status: 200,
			body: { tokens: { error: expect.stringMatching(/^the vault refused/), hint: vaultRole }, clients: [] },
		})
	})

	test('a vault that may be written is looked at without a change', async () => {
		const { ask } = started()
		const running = vault()
		expect((await ask('GET', '/access')).body).toEqual({})
		expect(running.requests).toEqual([`/secrets/scim-write-access/${'0'.repeat(32)}`])
		expect(running.secrets.size).toBe(0)
	})
})
