import * as z from 'zod'
import { binary, boolean, complex, multiValued, reference, string } from './attribute.ts'

const display = string({ description: 'A human-readable name, for display only.' })
const primary = boolean({ description: 'The preferred value. True for at most one value of the attribute.' })

/** The sub-attributes of every multi-valued attribute (RFC 7643 section 2.4). `value` is the declaration of the value. */
const plural = <V extends z.ZodType>(value: V, canonicalValues: readonly string[]) => ({
	value,
	display,
	type: string({ description: 'A label for the function of the value.', canonicalValues }),
	primary,
})

const text = (description: string) => string({ description })

/** RFC 7643 section 4.1. `password` is not declared, because we neither store nor return it. */
export const user = z.object({
	userName: string({
		description: 'The identifier by which the user signs in. Unique in any letter case within the tenant.',
		required: true,
		uniqueness: 'server',
	}),
	// RFC 7643 section 3.1 leaves externalId out of the schemas, but Microsoft's validator looks for it there.
	externalId: string({ description: 'The identifier given by the provisioning client.', caseExact: true }),
	name: complex(
		{
			formatted: text('The full name, formatted for display.'),
			familyName: text('The family name, or last name.'),
			givenName: text('The given name, or first name.'),
			middleName: text('The middle names.'),
			honorificPrefix: text('The title, such as "Ms.".'),
			honorificSuffix: text('The suffix, such as "III".'),
		},
		{ description: "The components of the user's name." },
	),
	displayName: text('The name of the user, for display.'),
	nickName: text('The casual way to address the user.'),
	profileUrl: reference({ description: "The address of the user's online profile.", referenceTypes: ['external'] }),
	title: text('The title, such as "Vice President".'),
	userType: text('The user\'s relation to the organization, such as "Employee".'),
	preferredLanguage: text('The preferred written or spoken languages.'),
	locale: text('The default location for localizing currency, dates and numbers.'),
	timezone: text('The time zone.'),
	active: boolean({ description: 'Whether the user may use the application.' }),
	emails: multiValued(plural(text('The e-mail address.'), ['work', 'home', 'other']), {
		description: 'E-mail addresses.',
	}),
	phoneNumbers: multiValued(plural(text('The phone number.'), ['work', 'home', 'mobile', 'fax', 'pager', 'other']), {
		description: 'Phone numbers.',
	}),
	ims: multiValued(plural(text('The instant messaging address.'), []), { description: 'Instant messaging addresses.' }),
	photos: multiValued(
		plural(reference({ description: 'The address of the photo.', referenceTypes: ['external'] }), [
			'photo',
			'thumbnail',
		]),
		{ description: 'Addresses of photos.' },
	),
	addresses: multiValued(
		{
			formatted: text('The full address, formatted for display.'),
			streetAddress: text('The street, house number and the like.'),
			locality: text('The city.'),
			region: text('The state or region.'),
			postalCode: text('The postal code.'),
			country: text('The country.'),
			type: string({ description: 'A label for the address.', canonicalValues: ['work', 'home', 'other'] }),
			primary,
		},
		{ description: 'Physical mailing addresses.' },
	),
	groups: multiValued(
		{
			value: string({ description: 'The id of the group.', mutability: 'readOnly', caseExact: true }),
			$ref: reference({ description: 'The address of the group.', mutability: 'readOnly', referenceTypes: ['Group'] }),
			display: string({ description: 'The displayName of the group.', mutability: 'readOnly' }),
			type: string({
				description: 'How the user belongs to the group. Nested groups are not supported, so always "direct".',
				mutability: 'readOnly',
				canonicalValues: ['direct'],
			}),
		},
		{
			description: 'The groups of the user. Changed through the groups; returned when asked for by name.',
			mutability: 'readOnly',
			returned: 'request',
		},
	),
	entitlements: multiValued(plural(text('The entitlement.'), []), { description: 'Entitlements.' }),
	// roles.type has no canonical values: with them, Microsoft's validator no longer looks for roles[primary eq "True"].
	roles: multiValued(plural(text('The role.'), []), { description: 'Roles.' }),
	x509Certificates: multiValued(
		plural(binary({ description: 'The certificate: DER in base64.', caseExact: true }), []),
		{ description: 'Certificates.' },
	),
})
