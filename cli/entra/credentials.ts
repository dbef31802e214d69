import { Failure } from '../failure.ts'
import { answerIn, type Graph, GraphError, isReplicating } from './graph.ts'
import { jobPath, synchronizationOf } from './synchronization.ts'

/** What Entra sends to the Tenant URL. */
export type EntraCredentials =
	| { readonly kind: 'token'; readonly url: string; readonly token: string }
	| {
			readonly kind: 'oauth'
			readonly url: string
			readonly tokenEndpoint: string
			readonly clientId: string
			readonly clientSecret: string
	  }

/** Entra stops before it deletes more objects than this in one cycle. */
const deleteThreshold = 500

const notifications = JSON.stringify({
	Enabled: false,
	DeleteThresholdEnabled: true,
	DeleteThresholdValue: deleteThreshold,
})

/**
 * Gives an application its credentials. Only assigned users and groups are provisioned.
 *
 * https://learn.microsoft.com/graph/api/synchronization-serviceprincipal-put-synchronization. That call refuses an address
 * of a token endpoint, so OAuth takes another one, which Microsoft's tools use and its documentation does not describe.
 */
export async function saveCredentials(graph: Graph, application: string, credentials: EntraCredentials): Promise<void> {
	if (credentials.kind === 'token') {
		const { url, token } = credentials
		await graph.send({
			method: 'PUT',
			path: `${synchronizationOf(application)}/secrets`,
			body: {
				value: [
					...pairs({ BaseAddress: url, SecretToken: token }),
					...pairs({ SyncNotificationSettings: notifications, SyncAll: 'false' }),
				],
			},
			isNew: isReplicating,
		})
		return
	}
	const { url, tokenEndpoint, clientId, clientSecret } = credentials
	await graph.send({
		method: 'PATCH',
		path: `${synchronizationOf(application, 'beta')}/connectivityParameters`,
		body: {
			value: pairs({
				authenticationType: 'OAuth2ClientCredentialsGrant',
				baseAddress: url,
				oauth2ClientId: clientId,
				oauth2ClientSecret: clientSecret,
				oauth2TokenExchangeUri: tokenEndpoint,
				credentialLocationInRequest: 'Header',
			}),
		},
		isNew: isReplicating,
	})
}

const pairs = (values: Readonly<Record<string, string>>) =>
	Object.entries(values).map(([key, value]) => ({ key, value }))

/**
 * Lets Entra try a token that it does not have yet, as *Test Connection* does.
 *
 * https://learn.microsoft.com/graph/api/synchronization-synchronizationjob-validatecredentials
 *
 * @throws Failure with the reason that Entra gives
 */
export async function tryToken(
	graph: Graph,
	{ application, job }: ConnectedJob,
	{ url, token }: { readonly url: string; readonly token: string },
): Promise<void> {
	await validate(graph, {
		path: `${jobPath(application, job)}/validateCredentials`,
		body: { credentials: pairs({ BaseAddress: url, SecretToken: token }) },
	})
}

/** A job of an application, by the ids of both. */
export type ConnectedJob = { readonly application: string; readonly job: string }

/**
 * Lets Entra try the credentials that it has. Credentials that are wrong would quarantine a job at its start.
 *
 * @throws Failure with the reason that Entra gives
 */
export async function trySavedCredentials(
	graph: Graph,
	{ application, templateId, kind }: SavedCredentials,
): Promise<void> {
	await validate(graph, {
		path: `${synchronizationOf(application, kind === 'oauth' ? 'beta' : 'v1.0')}/jobs/validateCredentials`,
		body: { templateId, useSavedCredentials: true },
	})
}

type SavedCredentials = {
	readonly application: string
	readonly templateId: string
	readonly kind: EntraCredentials['kind']
}

async function validate(
	graph: Graph,
	{ path, body }: { readonly path: string; readonly body: unknown },
): Promise<void> {
	try {
		await graph.send({ method: 'POST', path, body })
	} catch (error) {
		if (!(error instanceof GraphError)) throw error
		throw new Failure(`Entra cannot use the Tenant URL with these credentials: ${reasonOf(error)}`, {
			hint: 'nothing was started; look whether the app runs and answers: rollcall check URL',
			cause: error,
		})
	}
}

/** `CredentialValidationUnavailable` says that Entra got an answer, but no list. Its message has the inner reason. */
const reasonOf = (error: GraphError): string => error.message || answerIn(error)
