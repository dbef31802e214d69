import { urn } from '../shared/scim/urn.ts'

/** A user as Entra's default mapping creates it. */
export const benchUser = (name: string) => ({
	userName: `${name}@example.com`,
	externalId: `external-${name}`,
	active: true,
	displayName: `Person ${name}`,
	title: 'Engineer',
	name: { givenName: 'Given', familyName: name, formatted: `Given ${name}` },
	emails: [{ type: 'work', value: `${name}@example.com`, primary: true }],
	phoneNumbers: [
		{ type: 'work', value: '+49 89 1234567' },
		{ type: 'mobile', value: '+49 170 1234567' },
	],
	addresses: [{ type: 'work', streetAddress: '1 Long Street', locality: 'Munich', postalCode: '80331', country: 'DE' }],
	preferredLanguage: 'de-DE',
	[urn.enterpriseUser]: { employeeNumber: '701984', department: 'Operations' },
})
