import { describe, expect, test } from 'vitest'
import { graphError } from '../../support/graph/answers.ts'
import { jsonOf } from '../../support/rollcall.ts'
import { type EntraTenant, entraToken, onlyJob, onlyPrincipal, useEntraTenant } from './tenant.ts'

const newTenant = useEntraTenant()

/** A tenant that is connected, with the version of the token that Entra has. */
async function connected() {
	const tenant = await newTenant()
	await tenant.connect()
	return { ...tenant, version: await entraToken(tenant) }
}

const statesOf = async ({ run, name }: EntraTenant): Promise<readonly string[]> =>
	jsonOf(await run(`token list ${name} --json`))
		.map(({ state }: { state: string }) => state)
		.toSorted()

describe('entra status', () => {
	test('shows the job and its last cycle', async () => {
		const { graph, name, run } = await connected()
		Object.assign(onlyJob(graph), {
			status: {
				code: 'Active',
				quarantine: null,
				lastExecution: { state: 'Succeeded', timeEnded: '2026-11-30T10:00:00Z' },
			},
		})
		const { code, out } = await run(`entra status ${name}`)
		expect(code).toBe(0)
		expect(out).toMatch(
			/Schedule +runs about every 40 minutes \(Active\)\nLast cycle +Succeeded, at 2026-11-30T10:00:00Z\n/,
		)
		expect(out).toMatch(/\n\nNo failure is in the newest 200 entries of Entra's log\.\n$/)
	})

	test.each([
		['EncounteredQuarantineException', 'Entra cannot sign in to the Tenant URL', 'token rotate TENANT --entra'],
		['TooManyDeletes', 'one cycle would have deleted more objects', 'allow or reject them there'],
		['EncounteredEscrowProportionThreshold', 'more than 40 % of the objects failed', 'restart provisioning'],
		['SomethingNew', 'Entra gives the reason SomethingNew', 'in the portal'],
	])('says in words what the quarantine %s means, and what lifts it', async (reason, meaning, remedy) => {
		const { graph, name, run } = await connected()
		onlyJob(graph).status = { code: 'Quarantine', quarantine: { reason, currentBegan: '2026-11-30T08:00:00Z' } }
		const { code, out } = await run(`entra status ${name}`)
		expect(code).toBe(1)
		expect(out).toContain(`in quarantine since 2026-11-30T08:00:00Z: ${meaning}`)
		expect(out).toMatch(new RegExp(`what helps: .*${remedy}`))
	})

	test("lists the newest failure of each person, with Entra's reason, and leaves out who has succeeded since", async () => {
		const { graph, name, run } = await connected()
		const entry = (who: string, status: string, reason = '') => ({
			jobId: onlyJob(graph).id,
			activityDateTime: '2026-11-30T10:00:00Z',
			provisioningAction: 'create',
			sourceIdentity: { displayName: who },
			provisioningStatusInfo: { status, errorInformation: { errorCode: 'Conflict', reason } },
		})
		graph.directory.provisioningLogs.push(
			entry('Ada', 'failure', 'The name is taken.'),
			entry('Ada', 'failure', 'An older reason.'),
			entry('Bob', 'success'),
			entry('Bob', 'failure', 'Mended since.'),
		)
		const { failed } = jsonOf(await run(`entra status ${name} --json`))
		expect(failed).toEqual([
			{
				...{
					who: 'Ada',
					when: '2026-11-30T10:00:00Z',
					action: 'create',
					code: 'Conflict',
					reason: 'The name is taken.',
				},
				rollcall: { kind: 'none', sentence: expect.stringMatching(/^no record of a write at that time/) },
			},
		])
		expect((await run(`entra status ${name}`)).out).toMatch(
			/WHAT ENTRA SAYS\nAda .* The name is taken\.\n {2}Rollcall: no record of a write at that time: .*\n$/,
		)
	})

	test('says what the log needs, if Entra does not show it', async () => {
		const { graph, name, run } = await connected()
		graph.interfere = ({ url }) =>
			url.pathname.includes('auditLogs') ? graphError(403, 'Authentication_RequestFromNonPremiumTenant', '') : undefined
		const { code, out } = await run(`entra status ${name}`)
		expect(code).toBe(0)
		expect(out).toContain('the directory needs Entra ID P1')
	})

	test('of a tenant that was not connected names the command', async () => {
		const { name, run } = await newTenant()
		const { code, err } = await run(`entra status ${name}`)
		expect({ code, err }).toEqual({
			code: 1,
			err: expect.stringMatching(
				new RegExp(`^error: the tenant ${name} was not connected by rollcall\nhint: .*connect entra ${name} `),
			),
		})
	})

	test('says that the job is gone', async () => {
		const { graph, name, run } = await connected()
		onlyPrincipal(graph).jobs.clear()
		expect((await run(`entra status ${name}`)).err).toMatch(/Entra no longer has the provisioning job/)
	})
})

describe('entra provision', () => {
	test('lets Entra provision one user, and shows the steps', async () => {
		const { graph, name, run } = await connected()
		graph.directory.users.set('u1', { id: 'u1', userPrincipalName: 'ada@contoso.com', displayName: 'Ada' })
		const { code, out } = await run(`entra provision ${name} ada@contoso.com`)
		expect({ code, mistakes: graph.mistakes }).toEqual({ code: 0, mistakes: [] })
		expect(out).toBe(
			"ada@contoso.com: provisioned\nSuccess  Import   Retrieved User from Azure AD\nSuccess  Scoping  The user is in scope\nSuccess  Export   User 'ada@contoso.com' was created\n",
		)
	})

	test.each([
		[
			'Skipped',
			'NotEffectivelyEntitled',
			'The user is not assigned.',
			1,
			'Skipped, NotEffectivelyEntitled: The user is not assigned.',
		],
		['Skipped', 'RedundantExport', 'Nothing to change.', 0, 'provisioned'],
	])('answers %s %s', async (result, errorCode, errorMessage, exit, sentence) => {
		const { graph, name, run } = await connected()
		graph.directory.users.set('u1', { id: 'u1', userPrincipalName: 'ada@contoso.com', displayName: 'Ada' })
		graph.interfere = ({ url }) =>
			url.pathname.endsWith('/provisionOnDemand')
				? {
						status: 200,
						body: { key: JSON.stringify({ result, details: { errorCode, errorMessage } }), value: '{}' },
					}
				: undefined
		const { code, out } = await run(`entra provision ${name} u1`)
		expect({ code, out }).toEqual({ code: exit, out: `ada@contoso.com: ${sentence}\n` })
	})

	test('names a user whom Entra does not have, and a job in quarantine', async () => {
		const { graph, name, run } = await connected()
		expect((await run(`entra provision ${name} eve@contoso.com`)).err).toMatch(/Entra has no user eve@contoso\.com/)
		graph.directory.users.set('u1', { id: 'u1', userPrincipalName: 'ada@contoso.com', displayName: 'Ada' })
		onlyJob(graph).status = { code: 'Quarantine' }
		expect((await run(`entra provision ${name} u1`)).err).toMatch(/the job may be in quarantine\nhint: .*entra status/)
	})
})

describe('token rotate --entra', () => {
	test('gives Entra a token that it has tried, and then ends the old one', async () => {
		const { graph, name, run, version } = await connected()
		const before = onlyPrincipal(graph).secrets.SecretToken
		graph.log.length = 0
		const rotated = jsonOf(await run(`token rotate ${name} --entra --overlap 1h --json`))
		expect(rotated.ending).toEqual([{ version, expires: expect.any(String) }])
		expect(onlyPrincipal(graph).secrets.SecretToken).not.toBe(before)
		const steps = graph.log.filter((line) => !line.startsWith('GET ')).map((line) => line.split('/').at(-1))
		expect(steps).toEqual(['validateCredentials', 'secrets', 'validateCredentials'])
		expect(JSON.stringify(rotated)).not.toContain(onlyPrincipal(graph).secrets.SecretToken)
		// The next rotation ends this one's token.
		expect(jsonOf(await run(`token rotate ${name} --entra --json`)).ending).toMatchObject([
			{ version: rotated.version },
		])
	})

	const isTrial = (path: string) => path.endsWith('/validateCredentials') && path.includes('/scim.')
	const isSaving = (path: string) => path.endsWith('/secrets')

	test.each([
		['trying the token fails', isTrial, 500, 'disabled'],
		['saving it is refused', isSaving, 400, 'disabled'],
		['saving it may have been done', isSaving, 500, 'accepted'],
	])('leaves the old token as it was if %s', async (_, fails, status, state) => {
		const { graph, name, run, ...tenant } = await connected()
		const before = onlyPrincipal(graph).secrets
		graph.interfere = ({ url }) => (fails(url.pathname) ? graphError(status, 'Broken', 'Broken.') : undefined)
		expect((await run(`token rotate ${name} --entra`)).code).toBe(1)
		expect(onlyPrincipal(graph).secrets).toBe(before)
		expect(await statesOf({ graph, name, run, ...tenant })).toEqual(['accepted', 'accepted', state])
		graph.interfere = () => undefined
		const listed = jsonOf(await run(`token list ${name} --json`))
		expect(listed.filter(({ expires }: { expires?: string }) => expires !== undefined)).toEqual([])
	})
})

describe('token rotate --entra, if Entra has an OAuth client', () => {
	async function withClient() {
		const tenant = await newTenant()
		tenant.graph.accepts = (address) => address === tenant.url
		await tenant.connect('--oauth')
		const listed = async () => jsonOf(await tenant.run(`client list ${tenant.name} --json`))[0]
		const { id, secrets } = await listed()
		return { ...tenant, id, old: secrets[0].id, oldExpires: secrets[0].expires, listed }
	}

	test('gives Entra a new secret, lets it try the secret, and then ends the old one', async () => {
		const { graph, name, run, id, old, oldExpires, listed } = await withClient()
		const before = onlyPrincipal(graph).secrets
		graph.log.length = 0
		const rotated = jsonOf(await run(`token rotate ${name} --entra --overlap 1h --json`))
		const { oauth2ClientSecret, ...others } = onlyPrincipal(graph).secrets
		expect({ ...others, oauth2ClientSecret: before.oauth2ClientSecret }).toEqual(before)
		expect(oauth2ClientSecret).not.toBe(before.oauth2ClientSecret)
		const { secrets } = await listed()
		expect(rotated).toMatchObject({
			client: id,
			secret: secrets[0].id,
			ending: [{ secret: old, expires: secrets[1].expires }],
		})
		expect(secrets[1].expires < oldExpires).toBe(true)
		const steps = graph.log.filter((line) => !line.startsWith('GET ')).map((line) => line.split('/').at(-1))
		expect(steps).toEqual(['connectivityParameters', 'validateCredentials'])
		expect(JSON.stringify(rotated)).not.toContain(oauth2ClientSecret)
		expect(graph.mistakes).toEqual([])
	})

	test.each([
		['saving the secret is refused', '/connectivityParameters', 400, ['disabled', 'accepted']],
		['saving the secret may have been done', '/connectivityParameters', 500, ['accepted', 'accepted']],
		['trying the secret', '/validateCredentials', 400, ['accepted', 'accepted']],
	])('leaves the old secret as it was if %s fails', async (_, path, status, states) => {
		const { graph, name, run, old, oldExpires, listed } = await withClient()
		graph.interfere = ({ url }) => (url.pathname.endsWith(path) ? graphError(status, 'Broken', 'Broken.') : undefined)
		expect((await run(`token rotate ${name} --entra`)).code).toBe(1)
		const { secrets, isDisabled } = await listed()
		expect(isDisabled).toBe(undefined)
		expect(secrets.map(({ state }: { state: string }) => state)).toEqual(states)
		expect(secrets[1]).toMatchObject({ id: old, expires: oldExpires })
	})

	test('adds no secret if the job is gone', async () => {
		const { graph, name, run, listed } = await withClient()
		onlyPrincipal(graph).jobs.clear()
		expect((await run(`token rotate ${name} --entra`)).code).toBe(1)
		expect((await listed()).secrets).toHaveLength(1)
	})
})

describe('disconnect entra', () => {
	test('deletes the job, disables its token, and leaves all else', async () => {
		const { graph, name, run, ...tenant } = await connected()
		const { code, out } = await run(`disconnect entra ${name}`)
		expect({ code, mistakes: graph.mistakes }).toEqual({ code: 0, mistakes: [] })
		expect(out).toMatch(/^The provisioning job scim\..* was deleted\..*\nThe token \w+ was disabled\.\n/)
		expect(onlyPrincipal(graph).jobs.size).toBe(0)
		expect(await statesOf({ graph, name, run, ...tenant })).toEqual(['accepted', 'disabled'])
		expect((await run(`entra status ${name}`)).err).toMatch(/was not connected/)
	})

	test('works if the job is gone already', async () => {
		const { graph, name, run } = await connected()
		onlyPrincipal(graph).jobs.clear()
		expect((await run(`disconnect entra ${name}`)).code).toBe(0)
	})
})
