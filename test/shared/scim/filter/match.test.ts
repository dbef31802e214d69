import { describe, expect, test } from 'vitest'
import { type Attribute, findAttribute } from '../../../../shared/scim/attribute.ts'
import { checkElementFilter, checkFilter, matches, matchesElement } from '../../../../shared/scim/filter/match.ts'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import { groupType, type ResourceType, userType } from '../../../../shared/scim/resource-type.ts'

const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

const meta = {
	created: '2026-11-01T12:00:00.000Z',
	lastModified: '2026-11-02T12:00:00.000Z',
	location: 'https://rollcall.example/scim/contoso/Users/2819c223',
	version: 'W/"1"',
}

const babs = {
	schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', enterprise],
	id: '2819c223',
	externalId: 'BJensen',
	meta: { resourceType: 'User', ...meta },
	userName: 'bjensen@example.com',
	name: { familyName: 'Jensen', givenName: 'Barbara' },
	displayName: 'Babs (HR)',
	active: true,
	emails: [
		{ type: 'work', value: 'bjensen@example.com', primary: true },
		{ type: 'home', value: 'babs@jensen.org' },
	],
	addresses: [{ type: 'work', locality: 'Hollywood' }],
	roles: [{ value: 'Admin', primary: true }],
	groups: [{ value: 'e9e30dba', display: 'Tour Guides', type: 'direct' }],
	[enterprise]: { employeeNumber: '701984', manager: { value: '26118915' } },
}

const guides = {
	schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'],
	id: 'e9e30dba',
	meta: { resourceType: 'Group', ...meta },
	displayName: 'Tour Guides',
	members: [{ value: '2819c223', display: 'Babs' }, { value: '902c246b' }],
}

const attribute = (type: ResourceType, name: string): Attribute => {
	const found = findAttribute(type.schema.attributes, name)
	if (found === undefined) throw new TypeError(`${type.name} has no ${name}`)
	return found
}

/** Checks the filter and applies it, as every search does. */
const finds = (text: string, resource: { readonly [name: string]: unknown }, type: ResourceType): boolean => {
	const filter = parseFilter(text)
	checkFilter(filter, [type], new Set())
	return matches(filter, resource, type)
}

describe('filters that find the user', () => {
	test.each([
		'userName eq "bjensen@example.com"',
		'USERNAME eq "BJENSEN@EXAMPLE.COM"',
		'urn:ietf:params:scim:schemas:core:2.0:user:userName sw "bj"',
		'externalId eq "BJensen"',
		'externalId ne "bjensen"',
		'id eq 2819c223 and manager eq 26118915',
		'manager eq 26118915 and id eq 2819c223',
		'displayName eq "babs (hr)"',
		'name.FamilyName eq Jensen and (emails.Value co example.com or emails.Value co example.org)',
		'emails[type eq "work"].value eq "BJensen@example.com"',
		'emails[type eq "work" and primary eq "True"]',
		'emails[not (type eq "work")]',
		'emails eq "babs@jensen.org"',
		'emails co "jensen.org"',
		'emails.type eq "home"',
		'emails.primary eq true',
		'roles[primary eq "True"].value eq "Admin"',
		'roles[display eq null]',
		'active eq true',
		'active eq "True"',
		'active ne False',
		'employeeNumber eq 701984',
		`${enterprise}:employeeNumber eq "701984"`,
		`${enterprise.toUpperCase()}:Manager.Value eq "26118915"`,
		'manager[value eq "26118915"]',
		'meta.Created gt 2015-10-10T14:38:21.8617979-07:00',
		'meta.lastModified le "2026-11-02T13:00:00+01:00"',
		'meta.resourceType eq "User"',
		`schemas eq "${enterprise}"`,
		'groups eq "e9e30dba"',
		'groups.display sw "tour"',
		'emails pr and name pr and active pr and manager pr and manager.value pr and meta.version pr',
		'not (title pr)',
		'title eq null',
		'title eq ""',
		'title ne "Vice President"',
		'not (title eq "Vice President")',
		'manager.$ref eq null',
		// One value of several is enough, both for equal and for different values.
		'emails ne "babs@jensen.org"',
		'emails.display ne "x"',
		'phoneNumbers ne "1"',
		'emails.primary ne true',
		'userName eq "x" or active eq true and id pr',
	])('%s', (filter) => {
		expect(finds(filter, babs, userType)).toBe(true)
	})
})

describe('filters that do not find the user', () => {
	test.each([
		'userName eq "bjensen"',
		'externalId eq "bjensen"',
		'id eq "2819C223"',
		'emails[type eq "home"].value eq "bjensen@example.com"',
		'emails[type eq "home" and primary eq true]',
		'emails[type eq "other"]',
		'phoneNumbers[not (type eq "work")]',
		'emails.display pr',
		'emails eq "x"',
		'emails eq null',
		'phoneNumbers pr',
		'active eq "False"',
		'title eq "Vice President"',
		'title co ""',
		'title ne null',
		'title gt ""',
		'userName eq null',
		'not (emails[type eq "work"])',
		'manager eq "x"',
		'meta.created gt "2026-11-01T12:00:00Z"',
		'(userName eq "x" or active eq true) and not (id pr)',
	])('%s', (filter) => {
		expect(finds(filter, babs, userType)).toBe(false)
	})
})

test.each([
	['members eq "2819c223"', true],
	['members.value eq 902c246b', true],
	['members[value eq "2819c223" and display eq "Babs"]', true],
	['members[value eq "902c246b" and display eq "Babs"]', false],
	['members eq "x"', false],
	['displayName eq "tour guides"', true],
	['displayName eq "Tour"', false],
])('of a group, %s is %s', (filter, found) => {
	expect(finds(filter, guides, groupType)).toBe(found)
})

test.each([
	['values of an empty resource', {}],
	['empty values', { title: '', emails: [], name: {}, [enterprise]: {} }],
	['nulls', { title: null, emails: null, name: null, [enterprise]: null }],
])('%s are unassigned', (_, resource) => {
	for (const name of ['title', 'emails', 'emails.value', 'name', 'name.formatted', 'manager', 'manager.value']) {
		expect([name, finds(`${name} pr`, resource, userType)]).toEqual([name, false])
	}
	expect(
		finds('title eq null and emails eq null and name.formatted eq null and manager eq null', resource, userType),
	).toBe(true)
})

test('an attribute of another resource type is unassigned if both types are searched', () => {
	const filter = parseFilter('userName eq "bjensen@example.com" or displayName eq "Tour Guides" or members[value pr]')
	expect(() => checkFilter(filter, [userType, groupType], new Set())).not.toThrow()
	expect(matches(filter, babs, userType)).toBe(true)
	expect(matches(filter, guides, groupType)).toBe(true)
	expect(matches(parseFilter('userName ne "x" and userName eq null'), guides, groupType)).toBe(true)
	expect(matches(parseFilter('userName pr or members[value pr]'), babs, groupType)).toBe(false)
})

test.each([
	['type eq "WORK"', true],
	['type eq "work" and primary eq "true"', true],
	['Value co "example"', true],
	['display pr or not (display pr)', true],
	['type eq "home" or display pr', false],
	['emails.type eq "work"', false],
])('of one e-mail, %s is %s', (text, matching) => {
	const filter = parseFilter(text)
	expect(matchesElement(filter, babs.emails[0], attribute(userType, 'emails'))).toBe(matching)
})

describe('a filter that can only be a mistake is refused', () => {
	test.each([
		['usrName eq "x"', 'filter: User has no attribute usrName; did you mean userName?'],
		['title pr and usrName pr', 'filter: User has no attribute usrName; did you mean userName?'],
		['not (usrName pr)', 'filter: User has no attribute usrName; did you mean userName?'],
		['name.famlyName eq "x"', 'filter: User has no attribute name.famlyName; did you mean name.familyName?'],
		['emails[tpye eq "x"]', 'filter: emails has no attribute tpye; did you mean type?'],
		['x eq "x"', 'filter: User has no attribute x'],
		['password eq "secret"', 'filter: User has no attribute password'],
		['members eq "x"', 'filter: User has no attribute members'],
		['name.nick eq "x"', 'filter: User has no attribute name.nick'],
		['userName.value eq "x"', 'filter: User has no attribute userName.value'],
		[`${enterprise}:userName eq "x"`, `filter: User has no attribute ${enterprise}:userName; did you mean userName?`],
		[
			'urn:example:User:userName eq "x"',
			'filter: User has no attribute urn:example:User:userName; did you mean userName?',
		],
		['mails[type eq "work"]', 'filter: User has no attribute mails; did you mean emails?'],
		['emails[kind eq "work"]', 'filter: emails has no attribute kind'],
		['emails[type eq "work"].address eq "x"', 'filter: emails has no attribute address'],
		['emails[type.kind pr]', 'filter: emails has no attribute type.kind; did you mean type?'],
		['emails[emails.type pr]', 'filter: emails has no attribute emails.type'],
		['userName[value pr]', 'filter: userName has no attribute value'],
		['name eq "Babs"', 'filter: name is complex; compare one of its sub-attributes'],
		['addresses co "x"', 'filter: addresses is complex; compare one of its sub-attributes'],
		['meta ne null', 'filter: meta is complex; compare one of its sub-attributes'],
		['active gt true', 'filter: active is a boolean and cannot be compared by gt with true'],
		['active co "tr"', 'filter: active is a boolean and cannot be compared by co with "tr"'],
		['active eq yes', 'filter: active is a boolean and cannot be compared by eq with "yes"'],
		['emails[primary eq 1]', 'filter: primary is a boolean and cannot be compared by eq with 1'],
		['x509Certificates ge "TWFu"', 'filter: x509Certificates is a binary and cannot be compared by ge with "TWFu"'],
		['userName co null', 'filter: userName is a string and cannot be compared by co with null'],
		['meta.location ew "/Users/2819c223"', 'filter: meta.location is an address that we write; compare the id'],
		['not (meta[location pr])', 'filter: location is an address that we write; compare the id'],
		['groups.$ref pr', 'filter: groups.$ref is an address that we write; compare the id'],
	])('%s', (text, message) => {
		expect(() => checkFilter(parseFilter(text), [userType], new Set())).toThrow(
			expect.objectContaining({ status: 400, scimType: 'invalidFilter', message }),
		)
	})

	test('if no resource type has the attribute, or one of them cannot compare it', () => {
		const refusal = (message: string) => expect.objectContaining({ status: 400, scimType: 'invalidFilter', message })
		expect(() => checkFilter(parseFilter('usrName pr'), [userType, groupType], new Set())).toThrow(
			refusal('filter: User or Group has no attribute usrName; did you mean userName?'),
		)
		expect(() => checkFilter(parseFilter('active gt 1'), [groupType, userType], new Set())).toThrow(
			refusal('filter: active is a boolean and cannot be compared by gt with 1'),
		)
	})

	test('inside the brackets of a path', () => {
		expect(() =>
			checkElementFilter(parseFilter('type eq "work"'), attribute(userType, 'emails'), new Set()),
		).not.toThrow()
		const refusal = (message: string) => expect.objectContaining({ status: 400, scimType: 'invalidFilter', message })
		expect(() => checkElementFilter(parseFilter('kind eq "work"'), attribute(userType, 'emails'), new Set())).toThrow(
			refusal('filter: emails has no attribute kind'),
		)
		expect(() => checkElementFilter(parseFilter('$ref ne "x"'), attribute(groupType, 'members'), new Set())).toThrow(
			refusal('filter: $ref is an address that we write; compare the id'),
		)
	})

	test('but not a filter for an address that the client writes', () => {
		expect(() =>
			checkFilter(parseFilter('manager.$ref pr and photos[value sw "https:"]'), [userType], new Set()),
		).not.toThrow()
	})
})
