import { createDefaultHttpClient, type HttpClient } from '@azure/core-rest-pipeline'

export type IdentityOptions = {
	/** The client id of a user-assigned identity. */
	readonly clientId?: string
	/** Milliseconds within which the endpoint must answer. */
	readonly timeout?: number
}

/**
 * The identity of the app in Azure. Its package is loaded when the identity is first needed.
 *
 * A SCIM client waits for the token, so requests have a timeout. By itself the package would try for a minute. If the
 * endpoint did not answer at all, it would wait until the Functions host ends the whole worker.
 */
export async function managedIdentity({ clientId, timeout = 3000 }: IdentityOptions) {
	const { managedIdentityCredential } = await import('./managed-identity-credential.ts')
	return managedIdentityCredential({
		...(clientId !== undefined && { clientId }),
		retryOptions: { maxRetries: 2, retryDelayInMs: 200, maxRetryDelayInMs: 1000 },
		httpClient: within(timeout),
	})
}

/** Gives up a request that is not answered in time. */
function within(timeout: number): HttpClient {
	const client = createDefaultHttpClient()
	return {
		sendRequest(request) {
			request.timeout = timeout
			return client.sendRequest(request)
		},
	}
}
