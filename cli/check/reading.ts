import { randomUUID } from 'node:crypto'
import { urn } from '../../shared/scim/urn.ts'
import { isObject } from '../../shared/scim/value.ts'
import type { ProviderAnswer, ProvisioningClient } from './client.ts'
import { detailOf, expectError, expectList, expectStatus } from './expect.ts'
import { Shortfall } from './finding.ts'

/** A check that only reads. It returns what it has seen. Throws a Shortfall if that is wrong. */
export type ReadingCheck = { readonly name: string; run(client: ProvisioningClient): Promise<string> }

export const quoted = (value: string): string => encodeURIComponent(`"${value}"`)

/** The request that Entra sends at Test Connection and at the beginning of every cycle. */
export const testConnection: ReadingCheck = {
	name: 'Test Connection',
	async run({ send }) {
		const started = Date.now()
		const answer = await send('GET', `/Users?filter=userName+eq+${quoted(randomUUID())}`)
		const elapsed = Date.now() - started
		if (answer.status === 401) {
			throw new Shortfall(
				`401 instead of 200${detailOf(answer)}`,
				'the token belongs to another tenant, or the name of the tenant in the URL is wrong: compare both',
			)
		}
		if (answer.status >= 300 && answer.status < 400) {
			throw new Shortfall(`${answer.status} instead of 200`, 'use the target of the redirect as the Tenant URL')
		}
		if (answer.status === 404) {
			throw new Shortfall(
				`404 for /Users${detailOf(answer) || ', without a SCIM error'}`,
				'correct the path: the Tenant URL of Rollcall is https://HOST/scim/TENANT, without /Users',
			)
		}
		const { totalResults } = expectList(
			answer,
			'answer a filter that matches no user with 200 and an empty ListResponse',
		)
		if (totalResults !== 0) {
			throw new Shortfall(
				`${totalResults} users for a userName that no user has`,
				'apply the filter: otherwise Entra takes another user for the one that it looks for',
			)
		}
		return `200 and an empty list for an unknown userName, in ${elapsed} ms`
	},
}

/** Read-only, and safe at any time. */
export const readingChecks: readonly ReadingCheck[] = [
	{
		name: 'request without a token',
		async run({ send }) {
			return refused(
				await send('GET', '/Users?count=1', { token: undefined }),
				'everyone can read this directory: refuse requests without a token',
				'answer 401 to a request without a token: Entra takes other answers for an outage',
			)
		},
	},
	{
		name: 'request with a wrong token',
		async run({ send }) {
			return refused(
				await send('GET', '/Users?count=1', { token: randomUUID() }),
				'everyone with a made-up token can read this directory: compare tokens',
				'answer 401 to a wrong token, so that Entra names the problem in Test Connection',
			)
		},
	},
	{
		name: 'group that does not exist',
		async run({ send }) {
			const path = `/Groups?excludedAttributes=members&filter=displayName+eq+${quoted(randomUUID())}`
			const { totalResults } = expectList(
				await send('GET', path),
				'answer /Groups with 200 and an empty ListResponse, even if there are no groups: Test Connection asks for them',
			)
			if (totalResults !== 0) {
				throw new Shortfall(`${totalResults} groups for a displayName that no group has`, groupFilter)
			}
			return '200 and an empty list'
		},
	},
	{
		name: 'user that does not exist',
		async run({ send }) {
			expectError(
				await send('GET', `/Users/${randomUUID()}`),
				404,
				'answer 404 and a SCIM error (RFC 7644 section 3.12)',
			)
			return '404 and a SCIM error'
		},
	},
	{
		name: 'malformed filter',
		async run({ send }) {
			const answer = await send('GET', '/Users?count=1&filter=userName+is+%22x%22')
			expectStatus(answer, [400], 'refuse a malformed filter: a filter that is ignored finds all users')
			return '400'
		},
	},
	{
		name: 'page of users',
		async run({ send }) {
			const { totalResults, Resources } = expectList(
				await send('GET', '/Users?startIndex=1&count=1'),
				'answer with 200 and a ListResponse (RFC 7644 section 3.4.2.4)',
			)
			if (Resources.length > 1)
				throw new Shortfall(`${Resources.length} users for count=1`, 'return no more than count')
			return `${Resources.length} of ${totalResults}`
		},
	},
	{
		name: 'media type',
		async run({ send }) {
			const { type } = await send('GET', '/Users?count=1')
			const { type: ofError } = await send('GET', `/Users/${randomUUID()}`)
			const others = [type, ofError].filter((each) => each !== 'application/scim+json')
			if (others.length === 0) return 'application/scim+json, also for an error'
			const isJson = others.every((each) => each === 'application/json')
			throw new Shortfall(`${others[0] || 'none'}`, 'send Content-Type: application/scim+json, also for errors', {
				isWarning: isJson,
			})
		},
	},
	{
		name: 'ServiceProviderConfig',
		async run({ send }) {
			const answer = await send('GET', '/ServiceProviderConfig')
			expectStatus(answer, [200], `answer with 200 and the document of RFC 7643 section 5: ${asking}`)
			if (!hasPatch(answer.body))
				throw new Shortfall('patch.supported is not true', 'support PATCH: Entra updates only with PATCH')
			return 'PATCH is supported'
		},
	},
	{
		name: 'ResourceTypes',
		async run({ send }) {
			const { Resources } = expectList(
				await send('GET', '/ResourceTypes'),
				`answer with 200 and a ListResponse of the resource types (RFC 7643 section 6): ${asking}`,
			)
			const endpoints = Resources.map(({ endpoint }) => String(endpoint))
			if (!endpoints.includes('/Users'))
				throw new Shortfall(
					`/Users is not among ${endpoints.join(', ') || 'them'}`,
					'list the resource type of users, with "endpoint": "/Users"',
				)
			return endpoints.join(', ')
		},
	},
	{
		name: 'Schemas',
		async run({ send }) {
			const { Resources } = expectList(
				await send('GET', '/Schemas'),
				`answer with 200 and a ListResponse of the schemas (RFC 7643 section 7): ${asking}`,
			)
			const ids = Resources.map(({ id }) => String(id))
			if (!ids.includes(urn.user))
				throw new Shortfall(`${urn.user} is not among them`, 'list the schema of users, with all its attributes')
			return `${ids.length} schemas, including the one for users`
		},
	},
]

const asking = 'the SCIM Validator and the application gallery ask for it'
const groupFilter = 'apply the filter: otherwise Entra takes another group for the one that it looks for'

/** `open` is the remedy if the request was answered, and `other` the remedy for another refusal than 401. */
function refused({ status }: ProviderAnswer, open: string, other: string): string {
	if (status === 401) return '401'
	throw new Shortfall(`${status} instead of 401`, status < 300 ? open : other)
}

const hasPatch = (body: unknown): boolean => isObject(body) && isObject(body.patch) && body.patch.supported === true
