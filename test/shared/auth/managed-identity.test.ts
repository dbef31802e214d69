import { expect, test } from 'vitest'
import { managedIdentity } from '../../../shared/auth/managed-identity.ts'
import { useManagedIdentity } from '../../support/managed-identity.ts'

const endpoint = useManagedIdentity()
/** The package keeps the connections of the first identity in a process for all later identities. */
const timeout = 500
const scope = 'https://vault.azure.net/.default'

test('a token is for the identity with the client id, or for the only identity of the app', async () => {
	const identity = endpoint()
	const clientId = identity.newClientId()
	identity.tokens.set('https://storage.azure.com', 'a-token-for-storage')
	const credential = await managedIdentity({ clientId, timeout })
	expect(await credential.getToken('https://storage.azure.com/.default')).toMatchObject({
		token: 'a-token-for-storage',
		expiresOnTimestamp: expect.any(Number),
	})
	await (await managedIdentity({ timeout })).getToken(scope)
	expect(identity.requests).toEqual([`${clientId} https://storage.azure.com`, ' https://vault.azure.net'])
})

test('an endpoint that does not answer ends in a timeout', async () => {
	const identity = endpoint()
	identity.troubleOf = () => 'silent'
	const credential = await managedIdentity({ clientId: identity.newClientId(), timeout })
	await expect(credential.getToken(scope)).rejects.toThrow(/^ManagedIdentityCredential: /)
	expect(identity.requests).toHaveLength(1)
})
