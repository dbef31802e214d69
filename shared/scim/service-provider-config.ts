import { urn } from './urn.ts'

/** The limits that the service provider advertises and enforces. */
export type ServiceLimits = {
	/** Resources in one answer. */
	readonly maxResults: number
	/** Resources in one answer if the client does not send `count`. */
	readonly defaultCount: number
	/** Operations in one bulk request. */
	readonly maxOperations: number
	/** Bytes in the body of one request. */
	readonly maxPayloadSize: number
	/** Seconds for which a cursor is valid. */
	readonly cursorTimeout: number
}

export const limits = {
	maxResults: 1000,
	defaultCount: 100,
	maxOperations: 1000,
	maxPayloadSize: 4_194_304,
	cursorTimeout: 3600,
} as const satisfies ServiceLimits

/** RFC 7643 section 5, with the pagination of RFC 9865 section 4, and nothing of ours: a client may refuse other members. */
export type ServiceProviderConfig = {
	readonly schemas: readonly [typeof urn.serviceProviderConfig]
	readonly documentationUri?: string
	readonly patch: Feature
	readonly bulk: Feature & Pick<ServiceLimits, 'maxOperations' | 'maxPayloadSize'>
	readonly filter: Feature & Pick<ServiceLimits, 'maxResults'>
	readonly changePassword: Feature
	readonly sort: Feature
	readonly etag: Feature
	readonly pagination: Pagination
	readonly authenticationSchemes: readonly AuthenticationScheme[]
	readonly meta: { readonly resourceType: 'ServiceProviderConfig'; readonly location: string }
}

type Feature = { readonly supported: boolean }

type Pagination = {
	readonly cursor: boolean
	readonly index: boolean
	readonly defaultPaginationMethod: 'cursor' | 'index'
	readonly defaultPageSize: number
	readonly maxPageSize: number
	readonly cursorTimeout: number
}

type AuthenticationScheme = {
	readonly type: 'oauthbearertoken' | 'oauth2'
	readonly name: string
	readonly description: string
	readonly specUri: string
	readonly primary: boolean
}

const bearerToken: AuthenticationScheme = {
	type: 'oauthbearertoken',
	name: 'OAuth Bearer Token',
	description: 'The secret token of the tenant, in the Authorization header.',
	specUri: 'https://www.rfc-editor.org/info/rfc6750',
	primary: true,
}

const oauth2: AuthenticationScheme = {
	type: 'oauth2',
	name: 'OAuth 2.0',
	description: 'An access token from the token endpoint <base URL>/oauth2/token, for client credentials.',
	specUri: 'https://www.rfc-editor.org/info/rfc6749',
	primary: false,
}

/** `hasClients` says whether there are clients that may get access tokens. */
type DescribedTenant = { readonly baseUrl: string; readonly hasClients?: boolean }

/** Writes the document of a tenant. `baseUrl` has no trailing slash. */
export const serviceProviderConfig = (
	{ baseUrl, hasClients = false }: DescribedTenant,
	{ maxResults, defaultCount, maxOperations, maxPayloadSize, cursorTimeout }: ServiceLimits,
	documentationUri?: string,
): ServiceProviderConfig => ({
	schemas: [urn.serviceProviderConfig],
	...(documentationUri !== undefined && { documentationUri }),
	patch: { supported: true },
	bulk: { supported: true, maxOperations, maxPayloadSize },
	filter: { supported: true, maxResults },
	changePassword: { supported: false },
	sort: { supported: true },
	etag: { supported: true },
	pagination: {
		cursor: true,
		index: true,
		defaultPaginationMethod: 'index',
		defaultPageSize: defaultCount,
		maxPageSize: maxResults,
		cursorTimeout,
	},
	authenticationSchemes: [bearerToken, ...(hasClients ? [oauth2] : [])],
	meta: { resourceType: 'ServiceProviderConfig', location: `${baseUrl}/ServiceProviderConfig` },
})
