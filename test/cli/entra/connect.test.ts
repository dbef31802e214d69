import { describe, expect, test } from 'vitest'
import { graphError } from '../../support/graph/answers.ts'
import { addJob, addServicePrincipal, userRole } from '../../support/graph/directory.ts'
import { directoryId } from '../../support/graph/graph.ts'
import type { GraphStandIn } from '../../support/graph/stand-in.ts'
import { jsonOf, rollcall } from '../../support/rollcall.ts'
import { entraToken, onlyJob, onlyPrincipal, useEntraTenant } from './tenant.ts'

const withTenant = useEntraTenant()

const writesIn = ({ log }: GraphStandIn): readonly string[] => log.filter((line) => !line.startsWith('GET '))

/** Where the users' externalId is mapped from, and whether groups are provisioned. */
// biome-ignore lint/suspicious/noExplicitAny: the schema of Graph is not typed here
function mappingsOf({ schema }: { readonly schema: any }) {
	const [{ objectMappings }] = schema.synchronizationRules
	const [user, group] = objectMappings
	const externalIds = user.attributeMappings.filter(
		(each: { targetAttributeName: string }) => each.targetAttributeName === 'externalId',
	)
	return {
		externalId: externalIds.map((each: { source: { name: string } }) => each.source.name),
		groups: group.enabled,
	}
}

describe('connect entra', () => {
	test('makes the application, gives it a token, tries it, maps externalId, assigns the group and starts', async () => {
		const { graph, name, url, connect } = await withTenant()
		graph.directory.groups.set('g1', { id: 'g1', displayName: 'Sales' })
		const { code, out, err } = await connect('--assign Sales')
		expect(graph.mistakes).toEqual([])
		expect({ code, err }).toEqual({
			code: 0,
			err: 'Waiting until Entra knows the new application; this takes up to a minute.\n',
		})
		expect(out.split('\n').map((line) => line.replace(/ {2,}/, ': '))).toEqual([
			`Enterprise application: created Rollcall - ${name}`,
			expect.stringMatching(/^Provisioning job: created scim\./),
			expect.stringMatching(/^Credentials: the token \w+ was made and given to Entra$/),
			'Test Connection: succeeded',
			'externalId: mapped from objectId, not from mailNickname',
			'Groups: switched on',
			'Assignment: Sales was assigned',
			'Provisioning: started; the first cycle may take some hours',
			'',
			`See how it goes: node dist/cli/main.js entra status ${name} --resource-group rollcall`.replace(
				/node \S+/,
				out.match(/node \S+/)?.[0] ?? '',
			),
			'',
		])
		const principal = onlyPrincipal(graph)
		expect(principal.secrets).toEqual({
			BaseAddress: url,
			SecretToken: expect.stringMatching(/^[\w-]{43}$/),
			SyncAll: 'false',
			SyncNotificationSettings: '{"Enabled":false,"DeleteThresholdEnabled":true,"DeleteThresholdValue":500}',
		})
		expect(principal.assignments).toEqual([{ id: expect.any(String), principalId: 'g1', appRoleId: userRole }])
		const job = onlyJob(graph)
		expect(mappingsOf(job)).toEqual({ externalId: ['objectId'], groups: true })
		expect(job).toMatchObject({ schedule: { state: 'Active' }, status: { code: 'NotRun' }, restarts: 0 })
	})

	test('changes nothing the second time', async () => {
		const { graph, connect, tokens } = await withTenant()
		await connect()
		graph.log.length = 0
		const { code, out } = await connect()
		expect({ code, writes: writesIn(graph).filter((line) => !line.endsWith('/validateCredentials')) }).toEqual({
			code: 0,
			writes: [],
		})
		expect(tokens()).toHaveLength(2)
		expect(out).toMatch(/is there: Rollcall - .*\n.*is there: scim\..*\n.*Entra has a token.*\n.*succeeded\n/)
	})

	test('says what it would do with --dry-run, and does nothing', async () => {
		const { graph, connect, tokens } = await withTenant()
		const { code, out } = await connect('--dry-run')
		expect({ code, writes: writesIn(graph), tokens: tokens().length }).toEqual({ code: 0, writes: [], tokens: 1 })
		expect(out).toMatch(/would be created\n[\s\S]*would be started\n\nNothing was changed\.\n$/)
		await connect()
		graph.log.length = 0
		expect((await connect('--dry-run --groups off')).out).toContain('would be switched off')
		expect(writesIn(graph).filter((line) => !line.endsWith('/validateCredentials'))).toEqual([])
	})

	test('does what is left after an interruption', async () => {
		const { graph, connect, tokens } = await withTenant()
		graph.interfere = ({ method, url }) =>
			method === 'PUT' && url.pathname.endsWith('/schema')
				? graphError(500, 'InternalServerError', 'Something is broken.')
				: undefined
		const failed = await connect()
		expect(failed).toMatchObject({ code: 1, out: '' })
		expect(failed.err).toMatch(
			/error: Microsoft Graph answered 500 InternalServerError: Something is broken\.\n\nBefore that:\nEnterprise application +created/,
		)
		expect(onlyJob(graph).schedule.state).toBe('Disabled')
		graph.interfere = () => undefined
		expect((await connect('--fix-externalid')).code).toBe(0)
		expect(onlyJob(graph)).toMatchObject({ schedule: { state: 'Active' } })
		expect(mappingsOf(onlyJob(graph)).externalId).toEqual(['objectId'])
		expect(tokens()).toHaveLength(2)
	})

	test('gives Entra an OAuth client with --oauth, keeps it the second time, and disables it at the end', async () => {
		const { graph, name, url, run, connect, tokens } = await withTenant()
		graph.accepts = (address) => address === url
		const { code, out } = await connect('--oauth')
		expect({ code, mistakes: graph.mistakes, tokens: tokens().length }).toEqual({ code: 0, mistakes: [], tokens: 1 })
		const [, client = ''] =
			/Credentials +the OAuth client (\w+) was made and given to Entra\nTest Connection +succeeded/.exec(out) ?? []
		expect(onlyPrincipal(graph).secrets).toEqual({
			authenticationType: 'OAuth2ClientCredentialsGrant',
			baseAddress: url,
			oauth2ClientId: client,
			oauth2ClientSecret: expect.stringMatching(/^[\w-]{43}$/),
			oauth2TokenExchangeUri: `${url}/oauth2/token`,
			credentialLocationInRequest: 'Header',
		})
		expect((await connect()).out).toMatch(/Credentials +Entra has an OAuth client of this tenant\n/)
		expect((await run(`disconnect entra ${name}`)).out).toMatch(new RegExp(`The OAuth client ${client} was disabled`))
		expect(jsonOf(await run(`client list ${name} --json`))).toMatchObject([{ id: client, isDisabled: true }])
	})

	test('starts nothing if Entra cannot use the token, and says why', async () => {
		const { graph, connect } = await withTenant()
		graph.accepts = () => false
		const { code, err } = await connect()
		expect(code).toBe(1)
		expect(err).toMatch(/error: Entra cannot use the Tenant URL with these credentials: .*StatusCode: Unauthorized/)
		expect(onlyJob(graph)).toMatchObject({ schedule: { state: 'Disabled' }, status: { code: 'NotConfigured' } })
	})

	test('makes a new token if that of the application has been disabled', async () => {
		const { graph, name, run, connect } = await withTenant()
		await connect()
		await run(`token disable ${name} ${await entraToken({ run, name })}`)
		const before = onlyPrincipal(graph).secrets.SecretToken
		expect((await connect()).out).toMatch(/the token \w+ was made and given to Entra/)
		expect(onlyPrincipal(graph).secrets.SecretToken).not.toBe(before)
	})

	test('leaves no token behind that Entra did not take', async () => {
		const { graph, name, run, connect } = await withTenant()
		graph.interfere = ({ url }) =>
			url.pathname.endsWith('/secrets') ? graphError(400, 'BadRequest', 'No.') : undefined
		expect((await connect()).code).toBe(1)
		const listed = jsonOf(await run(`token list ${name} --json`))
		expect(listed.map(({ state }: { state: string }) => state).toSorted()).toEqual(['accepted', 'disabled'])
	})

	describe('in a job that exists', () => {
		const withJob = async () => {
			const tenant = await withTenant()
			const principal = addServicePrincipal(tenant.graph.directory, `Rollcall - ${tenant.name}`)
			const job = addJob(principal)
			job.schedule = { state: 'Active' }
			return { ...tenant, principal, job }
		}

		test('shows another mapping of externalId, and leaves it', async () => {
			const { connect, job } = await withJob()
			const { out } = await connect()
			expect(out).toMatch(/externalId +is mapped from mailNickname, and should be from objectId: add --fix-externalid/)
			expect(mappingsOf(job)).toEqual({ externalId: ['mailNickname'], groups: false })
		})

		test('changes it with --fix-externalid, keeps all else, and restarts', async () => {
			const { graph, connect, job } = await withJob()
			const others = JSON.stringify(job.schema).replace(/mailNickname/g, 'objectId')
			const { out } = await connect('--fix-externalid --groups off')
			expect(out).toMatch(/restarted: the next cycle reads every user again/)
			expect(JSON.parse(JSON.stringify(job.schema))).toEqual(JSON.parse(others))
			expect({ restarts: job.restarts, mistakes: graph.mistakes }).toEqual({ restarts: 1, mistakes: [] })
		})
	})

	describe('refuses, with a sentence and what helps:', () => {
		test.each([
			['a user without a role', { roles: ['a0b1b346-4d3e-4e8b-98f8-753987be4970'] }, 'has no role that may connect'],
			['a token without a scope', { scopes: 'User.Read.All' }, 'lacks Application.ReadWrite.All'],
		])(
			'%s, with the steps in the portal',
			async (_, { roles, scopes }: { roles?: string[]; scopes?: string }, reason) => {
				const { graph, name, url, connect } = await withTenant(scopes)
				if (roles !== undefined) graph.directory.roles = roles
				const { code, out, err } = await connect()
				expect({ code, err, writes: writesIn(graph) }).toEqual({ code: 1, err: '', writes: [] })
				expect(out).toContain(reason)
				expect(out).toContain(`5. Tenant URL: ${url}\n6. Secret Token: the one that this command prints: `)
				expect(out).toContain(`token add ${name} --resource-group rollcall\n`)
			},
		)

		test('a user without a role who asks for an OAuth client, with the steps for one', async () => {
			const { graph, name, connect } = await withTenant()
			graph.directory.roles = []
			const { out } = await connect('--oauth')
			expect(out).toContain(
				'6. OAuth client credentials: the token endpoint, client id and client secret that this command prints: ',
			)
			expect(out).toContain(`client add ${name} --resource-group rollcall\n`)
			expect(out).not.toMatch(/Secret Token|token add/)
		})

		test('an operator whose provisioning calls are answered 401, after it waited for a new application', async () => {
			const { graph, connect } = await withTenant()
			graph.interfere = ({ url }) =>
				url.pathname.includes('/synchronization/') ? graphError(401, 'UnknownError', '') : undefined
			const { code, out } = await connect()
			expect(code).toBe(1)
			expect(out).toMatch(
				/created Rollcall - .*\n\nEntra refused this sign-in: 401 UnknownError\. .*\n\nThe steps in the portal:\n/,
			)
		})

		test('a group that Entra does not have, or has twice', async () => {
			const { graph, connect } = await withTenant()
			expect((await connect('--assign Sales')).err).toMatch(/error: Entra has no group Sales\n\nBefore that:\n/)
			for (const id of ['g1', 'g2']) graph.directory.groups.set(id, { id, displayName: 'Sales' })
			expect((await connect('--assign Sales')).err).toMatch(/Entra has 2 groups called Sales/)
		})

		test('a group without the license for it', async () => {
			const { graph, connect } = await withTenant()
			graph.directory.groups.set('g1', { id: 'g1', displayName: 'Sales' })
			graph.interfere = ({ method, url }) =>
				method === 'POST' && url.pathname.endsWith('/appRoleAssignedTo')
					? graphError(400, 'Request_BadRequest', 'The tenant has no license for groups.')
					: undefined
			const { err } = await connect('--assign Sales')
			expect(err).toMatch(/Entra refused to assign the group Sales: The tenant has no license/)
			expect(err).toMatch(/hint: groups can be assigned with an Entra ID P1 license only/)
		})

		test('two applications of one name', async () => {
			const { graph, connect } = await withTenant()
			for (const _ of [1, 2]) addServicePrincipal(graph.directory, 'Twin')
			expect((await connect('--name Twin')).err).toMatch(/error: Entra has 2 enterprise applications called Twin\n/)
		})

		test('an application without a known template', async () => {
			const { graph, connect } = await withTenant()
			const principal = addServicePrincipal(graph.directory, 'Other')
			Object.assign(principal, { templates: [{ id: 'salesforce' }, { id: 'zoom' }] })
			expect((await connect('--name Other')).err).toMatch(
				/several templates for provisioning, and none is known: salesforce, zoom/,
			)
		})

		test('a data folder, which Entra cannot reach', async () => {
			const { code, err } = await rollcall(['connect', 'entra', 'acme'], { env: {} })
			expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/^error: there is no folder /) })
		})
	})

	test('waits as long as Graph asks, and gives up after five times', async () => {
		const { graph, connect } = await withTenant()
		let throttled = 2
		const busy = {
			status: 429,
			headers: { 'retry-after': '7' },
			body: { error: { code: 'TooManyRequests', message: '' } },
		}
		graph.interfere = () => (throttled-- > 0 ? busy : undefined)
		const { code, err } = await connect()
		expect({ code, waits: err.match(/Microsoft Graph asks to wait 7 s\.\n/g)?.length }).toEqual({ code: 0, waits: 2 })
		throttled = Number.POSITIVE_INFINITY
		expect((await connect()).err).toMatch(
			/^(Microsoft Graph asks to wait 7 s\.\n){5}error: Microsoft Graph answered 429 TooManyRequests/,
		)
	})

	test('remembers the connection in the row of the tenant, without a secret', async () => {
		const { graph, name, run, connect } = await withTenant()
		await connect()
		const shown = jsonOf(await run(`tenant show ${name} --json`))
		expect(shown.entra).toEqual({
			directory: directoryId,
			application: onlyPrincipal(graph).id,
			job: onlyJob(graph).id,
			credential: expect.stringMatching(/^\w+$/),
			kind: 'token',
		})
		expect(JSON.stringify(shown)).not.toContain(onlyPrincipal(graph).secrets.SecretToken)
	})
})
