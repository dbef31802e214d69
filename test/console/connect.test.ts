import { expect, test } from 'vitest'
import { useConsole } from '../support/console.ts'

const started = useConsole()

test('samples without a known token have one of their own, which ends with them', async () => {
	const { ask, target, services } = started()
	await services.tenants.createTenant({ name: 'acme', mode: 'store', settings: {} })
	expect(await ask('GET', '/tenants/acme/connection')).toEqual({
		status: 200,
		body: { name: 'acme', mode: 'store', url: target.urlOf('acme'), isPublic: false, isEmpty: true },
	})
	expect(await ask('POST', '/tenants/acme/samples', {})).toEqual({
		status: 200,
		body: {
			answers: [
				{ title: 'a user', request: 'POST /Users', status: 201 },
				{ title: 'a group with the user as its member', request: 'POST /Groups', status: 201 },
				{
					title: 'the same user again, which has to be refused',
					request: 'POST /Users',
					status: 409,
					detail: expect.stringMatching(/^userName "sample\.person@example\.com" is already taken /),
				},
			],
		},
	})
	expect(await target.tokens.list('acme')).toMatchObject([{ label: 'samples of the console', enabled: false }])
	const again = await ask('POST', '/tenants/acme/samples', {})
	expect(again).toEqual({
		status: 409,
		body: {
			error: 'the tenant acme is not empty',
			hint: 'samples are for a tenant of mode store without users and groups',
		},
	})
	const tenant = await services.tenants.getTenant('acme')
	expect(await target.administration.list(tenant ?? { name: '', table: '' })).toMatchObject([
		{ command: 'samples', outcome: 'done' },
		{ command: 'samples', outcome: 'failed' },
	])
})

test('samples say so if nothing answers at the Tenant URL, and leave no token that works', async () => {
	const { ask, target, server, services } = started()
	await services.tenants.createTenant({ name: 'acme', mode: 'store', settings: {} })
	await server.close()
	expect(await ask('POST', '/tenants/acme/samples', {})).toEqual({
		status: 502,
		body: {
			error: `nothing answers at ${target.urlOf('acme')}/Users`,
			hint: 'start npm start with this data folder',
		},
	})
	expect(await target.tokens.list('acme')).toMatchObject([{ enabled: false }])
})

test('a tenant is added once', async () => {
	const { ask } = started()
	expect(await ask('POST', '/tenants', { name: 'acme', mode: 'store' })).toEqual({
		status: 200,
		body: { name: 'acme', token: expect.stringMatching(/^[\w-]{43}$/) },
	})
	expect(await ask('POST', '/tenants', { name: 'acme', mode: 'relay' })).toEqual({
		status: 409,
		body: { error: 'the tenant acme already exists', hint: 'to add another token: rollcall token add acme' },
	})
	expect(await ask('GET', '/tenants')).toMatchObject({ body: { tenants: [{ name: 'acme', mode: 'store' }] } })
})
