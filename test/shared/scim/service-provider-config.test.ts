import { expect, test } from 'vitest'
import { limits, serviceProviderConfig } from '../../../shared/scim/service-provider-config.ts'

const baseUrl = 'https://rollcall.example/scim/contoso'

test('the configuration lists what is supported and its limits', () => {
	expect(serviceProviderConfig({ baseUrl }, limits)).toStrictEqual({
		schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
		patch: { supported: true },
		bulk: { supported: true, maxOperations: 1000, maxPayloadSize: 4_194_304 },
		filter: { supported: true, maxResults: 1000 },
		changePassword: { supported: false },
		sort: { supported: true },
		etag: { supported: true },
		pagination: {
			cursor: true,
			index: true,
			defaultPaginationMethod: 'index',
			defaultPageSize: 100,
			maxPageSize: 1000,
			cursorTimeout: 3600,
		},
		authenticationSchemes: [
			{
				type: 'oauthbearertoken',
				name: 'OAuth Bearer Token',
				description: 'The secret token of the tenant, in the Authorization header.',
				specUri: 'https://www.rfc-editor.org/info/rfc6750',
				primary: true,
			},
		],
		meta: { resourceType: 'ServiceProviderConfig', location: `${baseUrl}/ServiceProviderConfig` },
	})
})

test('the configuration has the address of the documentation and the limits that the caller gives', () => {
	const other = { maxResults: 5, defaultCount: 4, maxOperations: 3, maxPayloadSize: 2, cursorTimeout: 1 }
	expect(serviceProviderConfig({ baseUrl }, other, 'https://rollcall.example/docs')).toMatchObject({
		documentationUri: 'https://rollcall.example/docs',
		bulk: { maxOperations: 3, maxPayloadSize: 2 },
		filter: { maxResults: 5 },
		pagination: { defaultPageSize: 4, maxPageSize: 5, cursorTimeout: 1 },
	})
})
