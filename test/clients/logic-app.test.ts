import { describe, expect, it } from 'vitest'
import { type Host, useHost } from '../support/host.ts'
import { answer, errorOf, listOf, patchOf, urn } from './scim.ts'
import { type Received, send } from './wire.ts'

// The requests that Microsoft's validation workflow sends itself, and its rules for the answers. In its other tests Entra
// sends the requests.
// https://github.com/AzureAD/SCIMReferenceCode/tree/master/Microsoft.SCIM.LogicAppValidationTemplate

const host = useHost()

/** Entra's default mappings, plus the roles and the other address of its tutorial. */
const targets = {
	User: [
		'userName',
		'externalId',
		'active',
		'displayName',
		'title',
		'preferredLanguage',
		'name.givenName',
		'name.familyName',
		'name.formatted',
		'emails[type eq "work"].value',
		'emails[type eq "other"].Value',
		...['formatted', 'streetAddress', 'locality', 'region', 'postalCode', 'country'].map(
			(name) => `addresses[type eq "work"].${name}`,
		),
		...['work', 'mobile', 'fax'].map((type) => `phoneNumbers[type eq "${type}"].value`),
		...['value', 'display', 'type'].map((name) => `roles[primary eq "True"].${name}`),
		...['employeeNumber', 'department', 'manager'].map((name) => `${urn.enterprise}:${name}`),
	],
	Group: ['displayName', 'externalId', 'members'],
}

/** The targets that are single strings: no boolean in the filter, no role and no reference. */
const texts = {
	User: targets.User.filter((target) => !/^active$|^roles|:manager$/.test(target)),
	Group: ['displayName', 'externalId'],
}

type Client = { readonly tenant: Host; readonly type: string }

const call = ({ tenant, type }: Client, method: string, path: string, body?: unknown): Promise<Received> =>
	send(tenant, { method, path, headers: { Accept: type, ...(body !== undefined && { 'Content-Type': type }) }, body })

/** The value of a resource at a target, as the workflow looks it up; undefined if there is none. */
function valueAt(resource: Received['body'], target: string): unknown {
	const extension = target.startsWith(urn.enterprise) ? urn.enterprise : undefined
	const container = extension === undefined ? resource : resource[extension]
	const path = extension === undefined ? target : target.slice(extension.length + 1)
	const [, list, label, literal, sub = ''] = /^(\w+)\[(\w+) eq "(\w+)"\]\.(\w+)$/.exec(path) ?? []
	if (list === undefined || label === undefined)
		return path.split('.').reduce((value, name) => value?.[name], container)
	const element = container?.[list]?.find(
		(candidate: Received['body']) => String(candidate[label]).toLowerCase() === literal?.toLowerCase(),
	)
	return element?.[sub.toLowerCase()] ?? element?.[sub]
}

const valuesAt = (resource: Received['body'], at: readonly string[]) =>
	Object.fromEntries(at.map((target) => [target, valueAt(resource, target)]))

/** One operation for each value. */
const verbose = (values: Readonly<Record<string, unknown>>) =>
	patchOf(...Object.entries(values).map(([path, value]) => ({ op: 'replace', path, value })))

/** One operation for each value with a filter in its path, and one without a path for all other values. */
function compact(values: Readonly<Record<string, unknown>>) {
	const entries = Object.entries(values)
	const isFiltered = ([path]: readonly [string, unknown]) => path.includes('[')
	return patchOf(...entries.filter(isFiltered).map(([path, value]) => ({ op: 'replace', path, value })), {
		op: 'replace',
		value: Object.fromEntries(entries.filter((entry) => !isFiltered(entry))),
	})
}

const aWholeUser = (userName: string) => ({
	schemas: [urn.user, urn.enterprise],
	userName,
	externalId: `external-${userName}`,
	active: true,
	displayName: 'Test User',
	title: 'Engineer',
	preferredLanguage: 'en-US',
	name: { givenName: 'Test', familyName: 'User', formatted: 'Test User' },
	emails: [
		{ type: 'work', value: `${userName}@example.com`, primary: true },
		{ type: 'other', value: `other-${userName}@example.com` },
	],
	addresses: [
		{
			type: 'work',
			formatted: '18/2111',
			streetAddress: '1 Main St',
			locality: 'Redmond',
			region: 'WA',
			postalCode: '98052',
			country: 'US',
		},
	],
	phoneNumbers: ['work', 'mobile', 'fax'].map((type) => ({ type, value: `+1 425 555 ${type.length}` })),
	roles: [{ primary: true, value: 'Admin', display: 'Administrator', type: 'AppRole' }],
	[urn.enterprise]: { employeeNumber: '701984', department: 'Ops' },
})

/** Flattens the schemas into the names that targets may have, in lower case. */
function namesIn(schemas: Received['body']): Set<string> {
	const names = schemas.Resources.flatMap((schema: Received['body']) => {
		const prefix = schema.id === urn.user || schema.id === urn.group ? '' : `${schema.id}:`
		return schema.attributes.flatMap(namesOf).map((name: string) => `${prefix}${name}`.toLowerCase())
	})
	return new Set(names)
}

function namesOf({ name, type, multiValued, subAttributes = [] }: Received['body']): string[] {
	if (name === 'manager' || name === 'members') return [name]
	const subs = (...others: string[]): string[] =>
		subAttributes.map((sub: Received['body']) => sub.name).filter((sub: string) => !others.includes(sub))
	if (type !== 'complex') return type === 'reference' ? [] : [name]
	if (!multiValued) return subs().map((sub) => `${name}.${sub}`)
	const { canonicalValues = [] } = subAttributes.find((sub: Received['body']) => sub.name === 'type') ?? {}
	if (canonicalValues.length === 0) return subs('primary').map((sub) => `${name}[primary eq "True"].${sub}`)
	return canonicalValues.flatMap((label: string) =>
		subs('type', 'primary').map((sub) => `${name}[type eq "${label}"].${sub}`),
	)
}

describe.each(['application/scim+json', 'application/json'])('the workflow with %s', (type) => {
	const client = async (): Promise<Client> => ({ tenant: await host(), type })

	it('discovers every target in the schemas', async () => {
		const { status, body } = await call(await client(), 'GET', '/Schemas')
		expect(status).toBe(200)
		expect(body.Resources.map(({ id }: { id: string }) => id)).toEqual([urn.user, urn.enterprise, urn.group])
		const names = namesIn(body)
		expect([...targets.User, ...targets.Group].filter((target) => !names.has(target.toLowerCase()))).toEqual([])
		expect(JSON.stringify(body)).not.toContain('null')
	})

	it.each([
		['one operation each', verbose],
		['one operation without a path', compact],
	])('clears every optional attribute with "" and again with null, in %s', async (_, write) => {
		const mine = await client()
		const created = await call(mine, 'POST', '/Users', aWholeUser('null-update'))
		expect(created).toEqual(answer(201, { ...aWholeUser('null-update'), id: created.body.id, meta: created.body.meta }))
		const [user] = (await call(mine, 'GET', '/Schemas')).body.Resources
		const required = user.attributes.filter((attribute: Received['body']) => attribute.required)
		expect(required).toMatchObject([{ name: 'userName' }])
		const emptied = texts.User.filter((target) => target !== 'userName' && target !== 'externalId')
		const path = `/Users/${created.body.id}`
		for (const value of ['', null]) {
			const patched = await call(
				mine,
				'PATCH',
				path,
				write(Object.fromEntries(emptied.map((target) => [target, value]))),
			)
			expect(patched.status).toBe(200)
			const { body } = await call(mine, 'GET', path)
			expect(valuesAt(body, emptied)).toEqual(Object.fromEntries(emptied.map((target) => [target, undefined])))
			expect(body).toEqual({
				schemas: [urn.user],
				id: created.body.id,
				meta: body.meta,
				userName: 'null-update',
				externalId: 'external-null-update',
				active: true,
				roles: aWholeUser('').roles,
			})
		}
		expect(await call(mine, 'DELETE', path)).toEqual(answer(204))
	})

	it('creates a user', async () => {
		const { status, body } = await call(await client(), 'POST', '/Users', aWholeUser('create-user'))
		expect(status).toBe(201)
		expect(body).toMatchObject({ id: expect.stringMatching(/./), userName: 'create-user' })
	})

	it.each([
		['one operation each', verbose],
		['one operation without a path', compact],
	])('updates every string of a user, in %s', async (_, write) => {
		const mine = await client()
		const { body: created } = await call(mine, 'POST', '/Users', aWholeUser('update-user'))
		const path = `/Users/${created.id}`
		const values = Object.fromEntries(texts.User.map((target, index) => [target, `upd-${0x1a2b3c00 + index}`]))
		expect((await call(mine, 'PATCH', path, write(values))).status).toBe(200)
		const { body } = await call(mine, 'GET', path)
		expect(valuesAt(body, texts.User)).toEqual(values)
		const untouched = ['id', 'schemas', 'active', 'roles']
		expect(untouched.map((name) => body[name])).toEqual(untouched.map((name) => created[name]))
		expect(await call(mine, 'DELETE', path)).toEqual(answer(204))
	})

	it('creates a group, updates its strings and deletes it', async () => {
		const mine = await client()
		const displayName = 'LACreateGroup-(1a2b3c4d)'
		const match = `/Groups?filter=displayName%20eq%20%22${displayName}%22`
		expect(await call(mine, 'GET', match)).toEqual(answer(200, listOf()))
		const created = await call(mine, 'POST', '/Groups', { schemas: [urn.group], displayName, externalId: 'la-1' })
		expect(created).toEqual(
			answer(201, {
				schemas: [urn.group],
				id: created.body.id,
				displayName,
				externalId: 'la-1',
				meta: created.body.meta,
			}),
		)
		expect(await call(mine, 'GET', match)).toEqual(answer(200, listOf({ ...created.body, members: [] })))
		const path = `/Groups/${created.body.id}`
		for (const [index, write] of [verbose, compact].entries()) {
			const values = Object.fromEntries(texts.Group.map((target) => [target, `upd-${target}-${index}`]))
			expect((await call(mine, 'PATCH', path, write(values))).status).toBe(204)
			expect(valuesAt((await call(mine, 'GET', path)).body, texts.Group)).toEqual(values)
		}
		expect(await call(mine, 'DELETE', path)).toEqual(answer(204))
		expect(await call(mine, 'GET', path)).toEqual(
			answer(404, errorOf(404, `there is no Group with the id "${created.body.id}"`)),
		)
	})

	it.each([
		['/Users', 'userName'],
		['/Groups', 'displayName'],
	])('reads the pages of %s while it creates and deletes resources, five at a time', async (endpoint, name) => {
		const mine = await client()
		const page = (startIndex: number) => call(mine, 'GET', `${endpoint}?startIndex=${startIndex}&count=5`)
		const made: string[] = []
		while ((await page(1)).body.totalResults < 11) {
			const five = Array.from({ length: 5 }, (_, index) => ({ [name]: `page-${made.length + index}` }))
			const answers = await Promise.all(five.map((body) => call(mine, 'POST', endpoint, body)))
			made.push(...answers.map(({ body }) => body.id))
		}
		const seen: string[] = []
		const pages: [startIndex: number, totalResults: number, itemsPerPage: number][] = []
		for (let startIndex = 1; startIndex <= 15; startIndex = seen.length + 1) {
			const { status, body } = await page(startIndex)
			expect(status).toBe(200)
			pages.push([body.startIndex, body.totalResults, body.itemsPerPage])
			seen.push(...body.Resources.map(({ id }: { id: string }) => id))
		}
		expect(pages).toEqual([1, 6, 11].map((startIndex) => [startIndex, 15, 5]))
		expect([...seen].sort()).toEqual([...made].sort())
		while (seen.length > 0) {
			const answers = await Promise.all(seen.splice(0, 5).map((id) => call(mine, 'DELETE', `${endpoint}/${id}`)))
			expect(answers).toEqual(answers.map(() => answer(204)))
		}
		expect((await page(1)).body).toEqual(listOf())
	})

	it('sets, changes and removes a manager', async () => {
		const mine = await client()
		const ids: string[] = []
		for (const userName of ['employee', 'manager-1', 'manager-2']) {
			ids.push((await call(mine, 'POST', '/Users', { schemas: [urn.user], userName })).body.id)
		}
		const [employee, first, second] = ids
		for (const [op, value, after] of [
			['Add', first, { [urn.enterprise]: { manager: { value: first } } }],
			['replace', second, { [urn.enterprise]: { manager: { value: second } } }],
			['replace', '', {}],
		] as const) {
			const change = patchOf({ op, path: `${urn.enterprise}:manager`, value })
			expect((await call(mine, 'PATCH', `/Users/${employee}`, change)).status).toBe(200)
			const { body } = await call(mine, 'GET', `/Users/${employee}`)
			const schemas = value === '' ? [urn.user] : [urn.user, urn.enterprise]
			expect(body).toEqual({ schemas, id: employee, userName: 'employee', active: true, ...after, meta: body.meta })
		}
	})
})
