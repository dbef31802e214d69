import { describe, expect, test } from 'vitest'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import { groupType, type ResourceType, userType } from '../../../../shared/scim/resource-type.ts'
import { urn } from '../../../../shared/scim/urn.ts'
import type { Page, Query } from '../../../../shared/storage/query/page.ts'
import { planQuery } from '../../../../shared/storage/query/plan.ts'
import { printPlan } from '../../../../shared/storage/query/print-plan.ts'

const byIndex: Page = { startIndex: 1, count: 10 }
const byCursor: Page = { after: '', count: 10 }

function printed(type: ResourceType, filter: string | undefined, query: Partial<Query> = {}): string {
	return printPlan(
		planQuery(type, { page: byIndex, ...(filter !== undefined && { filter: parseFilter(filter) }), ...query }),
	)
}

const sortBy = (path: string, descending = false): Pick<Query, 'sort'> => {
	const [name = '', sub] = path.split('.')
	return { sort: { by: { name, ...(sub !== undefined && { sub }) }, descending } }
}

const refused = 'from 1; limit candidates, then tooMany'
const scanned = 'from 1; limit total, then tooMany'

describe('the plan for a filter on users', () => {
	test.each([
		// One equality of an attribute that has an index, in any letter case and by any of its names.
		['userName eq "secret"', 'index userName eq …'],
		['USERNAME eq "secret"', 'index userName eq …'],
		[`${urn.user}:userName eq "secret"`, 'index userName eq …'],
		['externalId eq "secret"', 'index externalId eq …'],
		['emails eq "secret"', 'index emails eq …'],
		['emails.value eq "secret"', 'index emails eq …'],
		['displayName eq "secret"', 'index displayName eq …'],
		['manager eq "secret"', 'index manager eq …'],
		[`${urn.enterpriseUser}:manager.value eq "secret"`, 'index manager eq …'],
		['id eq "secret"', 'id eq …'],
		// Value paths.
		['emails[value eq "secret"]', 'index emails eq …'],
		['emails[type eq "work" and value eq "secret"]', 'index emails eq …'],
		['emails[type eq "work" and (primary eq true and VALUE eq "secret")]', 'index emails eq …'],
		// The best of several terms.
		['active eq true and userName eq "secret"', 'index userName eq …'],
		['displayName eq "secret" and externalId eq "secret"', 'index externalId eq …'],
		['title pr and (active eq true and emails.value eq "secret")', 'index emails eq …'],
		['not (active eq true) and userName eq "secret"', 'index userName eq …'],
		['(title eq "secret" or title pr) and displayName eq "secret"', 'index displayName eq …'],
		['userName eq "secret" and id eq "secret"', 'id eq …'],
		['userName sw "secret" and manager eq "secret"', 'index manager eq …'],
		['meta.created gt "2026-01-01T00:00:00Z" and userName eq "secret"', 'index userName eq …'],
		// Prefixes.
		['userName sw "secret"', 'prefix userName sw …'],
		['emails sw "secret"', 'prefix emails sw …'],
		['active eq true and externalId sw "secret" and userName sw "secret"', 'prefix externalId sw …'],
	])('%s is a lookup', (filter, source) => {
		expect(printed(userType, filter)).toBe(`User: ${source}; ${refused}`)
	})

	test.each([
		['groups eq "secret"', 'links groups eq …, page only'],
		['groups.value eq "secret"', 'links groups eq …, page only'],
		['groups[value eq "secret"]', 'links groups eq …, page only'],
		['groups.value eq "secret" and active eq true', 'links groups eq …'],
		['groups[value eq "secret" and type eq "direct"]', 'links groups eq …; reads all groups'],
		['groups.value eq "secret" and groups.value eq "other"', 'links groups eq …; reads 2 groups'],
		['groups.value eq "secret" and groups.display eq "secret"', 'links groups eq …; reads all groups'],
		['groups.value eq "secret" and userName sw "secret"', 'links groups eq …'],
		['groups.value eq "secret" and displayName eq "secret"', 'index displayName eq …; reads 1 groups'],
		['id eq "secret" and groups.value eq "secret"', 'id eq …; reads 1 groups'],
	])('%s reads no memberships that the source proves', (filter, source) => {
		expect(printed(userType, filter)).toBe(`User: ${source}; ${refused}`)
	})

	test.each([
		['title eq "secret"', 'scan title eq …'],
		['active eq false and name.familyName eq "secret"', 'scan active eq … and name.familyName eq …'],
		[`${urn.enterpriseUser}:department eq "secret"`, 'scan department eq …'],
		['userType eq "secret" and name.givenName eq "secret"', 'scan userType eq … and name.givenName eq …'],
		['meta.created ge "2026-01-01T00:00:00Z"', 'scan meta.created ge …'],
		['meta.lastModified gt "2026-01-01T00:00:00Z"', 'scan meta.lastModified ge …'],
		['meta.lastModified eq "2026-01-01T00:00:00Z"', 'scan meta.lastModified ge …'],
		// What is new is found by its time, although the prefix has an index.
		['userName sw "secret" and meta.created gt "2026-01-01T00:00:00Z"', 'scan meta.created ge …'],
		// Terms that neither an index nor a column has.
		['userName co "secret"', 'scan'],
		['userName ew "secret"', 'scan'],
		['meta.created lt "2026-01-01T00:00:00Z"', 'scan'],
		['emails.type eq "secret"', 'scan'],
		['userName pr', 'scan'],
		['userName ne "secret"', 'scan'],
		['not (userName eq "secret")', 'scan'],
		['not (title eq "secret")', 'scan'],
		['userName eq "secret" or displayName eq "secret"', 'scan'],
		['title eq "secret" or active eq true', 'scan'],
		['displayName eq null', 'scan'],
		['displayName eq ""', 'scan'],
		['members eq "secret"', 'scan'],
		// The index cuts long values, so that it does not have a long prefix.
		[`userName sw "${'secret'.repeat(30)}"`, 'scan'],
		['groups pr', 'scan; reads any groups'],
		['groups.display co "secret"', 'scan; reads all groups'],
		['not (groups.value eq "secret")', 'scan; reads 1 groups'],
		['groups.value eq "secret" or groups.value eq "other"', 'scan; reads 2 groups'],
	])('%s is a scan', (filter, source) => {
		expect(printed(userType, filter)).toBe(`User: ${source}; ${scanned}`)
	})

	test('has no more conditions than the table service takes', () => {
		const filter = Array.from({ length: 20 }, () => 'title eq "secret"').join(' and ')
		const { source } = planQuery(userType, { filter: parseFilter(filter), page: byIndex })
		expect(source.kind === 'scan' && source.conditions).toHaveLength(12)
	})
})

test.each([
	['displayName eq "secret"', `index displayName eq …; ${refused}`],
	['externalId eq "secret"', `index externalId eq …; ${refused}`],
	['id eq "secret" and members eq "secret"', `id eq …; reads 1 members; ${refused}`],
	['members eq "secret"', `links members eq …; ${refused}`],
	['members.value eq "secret"', `links members eq …; ${refused}`],
	['members[value eq "secret"]', `links members eq …; ${refused}`],
	['members[value eq "secret" and type eq "User"]', `links members eq …; reads all members; ${refused}`],
	['members eq "secret" and members eq "other"', `links members eq …; reads 2 members; ${refused}`],
	// A group's index rows have its id alone, so that a prefix would cost a request for each group.
	['displayName sw "secret"', `scan; ${scanned}`],
	['members pr', `scan; reads any members; ${scanned}`],
	['not (members.value pr)', `scan; reads any members; ${scanned}`],
	['members.display pr', `scan; reads all members; ${scanned}`],
	['members pr or members eq "secret"', `scan; reads all members; ${scanned}`],
	['userName eq "secret"', `scan; ${scanned}`],
	['meta.lastModified gt "2026-01-01T00:00:00Z"', `scan meta.lastModified ge …; ${scanned}`],
])('the plan for a filter on groups: %s', (filter, plan) => {
	expect(printed(groupType, filter)).toBe(`Group: ${plan}`)
})

test.each<[string, ResourceType, string | undefined, Partial<Query>, string]>([
	['nothing', userType, undefined, {}, 'User: all; from 1; limit none'],
	['a cursor', groupType, undefined, { page: byCursor }, 'Group: all; from cursor; limit none'],
	[
		'userName',
		userType,
		undefined,
		sortBy('userName'),
		'User: byUserName; sort userName; from 1; limit skipped, then tooMany',
	],
	[
		'userName and a cursor',
		userType,
		undefined,
		{ ...sortBy('USERNAME'), page: byCursor },
		'User: byUserName; sort userName; from cursor; limit skipped, then tooMany',
	],
	[
		'userName, descending',
		userType,
		undefined,
		sortBy('userName', true),
		`User: scan; sort userName descending; ${scanned}`,
	],
	['another attribute', userType, undefined, sortBy('name.familyName'), `User: scan; sort name.familyName; ${scanned}`],
	['an unknown attribute', userType, undefined, sortBy('secret'), `User: scan; sort none; ${scanned}`],
	['displayName', groupType, undefined, sortBy('displayName'), `Group: scan; sort displayName; ${scanned}`],
	['userName, which groups lack', groupType, undefined, sortBy('userName'), `Group: scan; sort none; ${scanned}`],
	[
		'userName with a filter',
		userType,
		'displayName eq "secret"',
		sortBy('userName'),
		`User: index displayName eq …; sort userName; ${refused}`,
	],
	// The order of all users is known only when all are read.
	[
		'title with a membership',
		userType,
		'groups eq "secret"',
		sortBy('title'),
		`User: links groups eq …; sort title; ${refused}`,
	],
])('the plan for a list sorted by %s', (_, type, filter, query, plan) => {
	expect(printed(type, filter, query)).toBe(plan)
})

describe('the plan for a page by cursor', () => {
	test.each([
		['displayName eq "secret"', 'index displayName eq …; from cursor; limit page, then walk index displayName eq …'],
		['groups eq "secret"', 'links groups eq …, page only; from cursor; limit page, then walk links groups eq …'],
		['userName sw "secret"', 'prefix userName sw …; from cursor; limit page, then walk scan'],
		['title eq "secret"', 'scan title eq …; from cursor; limit total, then walk scan'],
		['groups pr', 'scan; reads any groups; from cursor; limit total, then walk scan'],
	])('of %s goes on as a walk if there is more than the limit', (filter, plan) => {
		expect(printed(userType, filter, { page: byCursor })).toBe(`User: ${plan}`)
	})

	test.each([
		['displayName eq "secret"', 'index displayName eq …'],
		['groups eq "secret"', 'links groups eq …'],
		['userName sw "secret"', 'scan'],
		['title eq "secret"', 'scan'],
	])('of %s is a walk after a page of a walk', (filter, source) => {
		const page = { after: '>|secret', count: 10 }
		expect(printed(userType, filter, { page })).toBe(`User: ${source}; from cursor with position; limit walk`)
	})

	test('is no walk after a page with a total', () => {
		const page = { after: '|secret', count: 10 }
		expect(printed(userType, 'title pr', { page })).toBe(
			'User: scan; from cursor with position; limit total, then walk scan',
		)
	})

	test('is no walk if it is sorted', () => {
		const plan = 'User: scan title eq …; sort title; from cursor; limit total, then tooMany'
		expect(printed(userType, 'title eq "secret"', { ...sortBy('title'), page: byCursor })).toBe(plan)
	})
})
