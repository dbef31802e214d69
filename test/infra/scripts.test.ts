import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { deployedBefore, newSubscription, type Subscription, startStub } from './subscription.ts'

const infra = fileURLToPath(new URL('../../infra', import.meta.url))

let stub: Awaited<ReturnType<typeof startStub>>
beforeAll(async () => {
	stub = await startStub()
})
afterAll(() => stub.stop())

let root = ''
beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), 'rollcall-scripts-'))
	cpSync(infra, join(root, 'infra'), { recursive: true })
	mkdirSync(join(root, 'bin'))
	for (const tool of ['az', 'npm', 'curl'] as const) install(tool, stub.clientFor(tool))
	install('sleep', `printf '["sleep","%s"]\\n' "$1" >>"$STUB_CALLS"`)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

type StubState = Partial<Subscription> & { readonly input?: string }

function install(tool: string, script: string): void {
	const path = join(root, 'bin', tool)
	writeFileSync(path, `#!/usr/bin/env bash\n${script}\n`)
	chmodSync(path, 0o755)
}

/** Runs a script of infra/. */
function run(command: string, given?: StubState) {
	const [script = '', ...args] = command.split(' ')
	return execute([join(root, 'infra', script), ...args], given)
}

/** Runs a program where az, npm, curl and sleep are stubs. */
function execute([program = '', ...args]: readonly string[], { input = '', ...subscription }: StubState = {}) {
	const state = join(root, 'state.json')
	const calls = join(root, 'calls')
	writeFileSync(state, JSON.stringify({ ...newSubscription, ...subscription }))
	rmSync(calls, { force: true })
	const { status, stdout, stderr } = spawnSync(program, args, {
		cwd: root,
		timeout: 120_000,
		encoding: 'utf8',
		input,
		env: {
			...process.env,
			PATH: [join(root, 'bin'), process.env.PATH].join(delimiter),
			STUB_STATE: state,
			STUB_CALLS: calls,
			TMPDIR: root,
		},
	})
	const lines = existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []
	return {
		status,
		stdout,
		stderr,
		calls: lines.map((line) =>
			JSON.parse(line)
				.join(' ')
				.replaceAll(root, '.')
				.replace(/tmp\.\w+/, 'tmp'),
		),
		after: JSON.parse(readFileSync(state, 'utf8')) as Subscription, // sound: written by stub.mjs
	}
}

const callsOf = (calls: readonly string[], beginning: string) => calls.filter((call) => call.startsWith(beginning))

const deploy = 'deploy.sh --resource-group rollcall --parameters infra/small.bicepparam'

describe('deploy.sh', () => {
	test('deploys into a new group, publishes, waits, and prints the next step', () => {
		const { status, stdout, stderr, calls, after } = run(`${deploy} --location westeurope`, {
			pollsUntilRunning: 1,
			pollsUntilUp: 2,
		})
		expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
		const output = (name: string) =>
			`az deployment group show --resource-group rollcall --name rollcall --query properties.outputs.${name}.value --output tsv`
		const ask = (path: string) =>
			`curl --silent --max-time 30 --output ./tmp/answer --write-out %{http_code} --header Authorization: Bearer none https://rollcall-abc.azurewebsites.net/scim/${path}`
		const [askHealth, askTenant] = [ask('health'), ask('deploy-check/ServiceProviderConfig')]
		expect(calls).toEqual([
			'az version --query "azure-cli" --output tsv',
			'az account show --query id --output tsv',
			'az bicep version',
			'az group exists --name rollcall',
			'npm ci --no-audit --no-fund',
			'npm run package',
			'az group create --name rollcall --location westeurope --output none',
			'az account show --query user.type --output tsv',
			'az ad signed-in-user show --query id --output tsv',
			'az deployment group create --resource-group rollcall --name rollcall --parameters infra/small.bicepparam administratorId=user-object-id --output none',
			output('appName'),
			output('hostName'),
			'az functionapp deployment source config-zip --resource-group rollcall --name rollcall-abc --src ./dist/rollcall.zip --build-remote false --timeout 600 --output none',
			askHealth,
			'sleep 10',
			askHealth,
			askTenant,
			'sleep 10',
			askTenant,
			'sleep 10',
			askTenant,
		])
		expect(after.published).toEqual(['host.json', 'index.js', 'package.json'])
		expect(stdout).toContain('Rollcall is running at https://rollcall-abc.azurewebsites.net\n')
		expect(stdout).toContain('npm run rollcall -- tenant add NAME --resource-group rollcall\n')
	})

	test('upgrades a deployment', () => {
		const { status, stderr, calls, after } = run(deploy, deployedBefore)
		expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
		expect(callsOf(calls, 'az group create')).toEqual([])
		expect(callsOf(calls, 'az deployment group create')).toHaveLength(1)
		expect(after.published).toEqual(['host.json', 'index.js', 'package.json'])
	})

	test('previews without building or changing anything', () => {
		const { status, stdout, calls, after } = run(`${deploy} --what-if`, { groups: { rollcall: 'westeurope' } })
		expect({ status, stdout }).toEqual({ status: 0, stdout: 'Resource changes: 17 to create.\n' })
		expect(callsOf(calls, 'npm')).toEqual([])
		expect(after).toMatchObject({ deployed: false })
		expect(after.published).toBeUndefined()
	})

	test.each([
		[{ signedIn: false }, 'error: az is not signed in\nhint: run: az login\n'],
		[{ azVersion: '2.60.1' }, 'error: az is 2.60.1; 2.61 or newer is needed\nhint: run: az upgrade\n'],
		[{ azVersion: '1.99.0' }, 'error: az is 1.99.0; 2.61 or newer is needed\nhint: run: az upgrade\n'],
		[
			{ bicepVersion: 'Bicep CLI version 0.33.93 (7a77c7f1de)' },
			'error: the Bicep of az is 0.33.93; 0.34 or newer is needed\nhint: run: az bicep upgrade\n',
		],
	])('with %j it stops before any change', (subscription, refusal) => {
		const { status, stderr, calls } = run(`${deploy} --location westeurope`, subscription)
		expect({ status, stderr }).toEqual({ status: 1, stderr: refusal })
		expect(calls.filter((call) => !/^az (version|account show|bicep version)/.test(call))).toEqual([])
	})

	test('accepts an az that has not fetched Bicep yet', () => {
		const { status, stderr } = run(deploy, { ...deployedBefore, bicepVersion: undefined })
		expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
	})

	test('accepts an az of a later major version', () => {
		expect(run(deploy, { ...deployedBefore, azVersion: '3.0.1' }).status).toBe(0)
	})

	const roleError =
		'Failed to upload because Azure Storage responded with Forbidden : Response status code does not indicate success: 403'

	test('publishes again while a new role does not work yet', () => {
		const { status, stdout, stderr, calls } = run(deploy, {
			...deployedBefore,
			publishFailures: 2,
			publishError: roleError,
		})
		expect(status).toBe(0)
		expect(stderr).toContain(roleError)
		expect(callsOf(calls, 'az functionapp deployment source config-zip')).toHaveLength(3)
		expect(callsOf(calls, 'sleep')).toEqual(['sleep 30', 'sleep 30'])
		expect(stdout).toContain('Rollcall is running at')
	})

	test('gives up on a role that never works', () => {
		const { status, stderr, calls } = run(deploy, { ...deployedBefore, publishFailures: 99, publishError: roleError })
		expect(status).toBe(1)
		expect(callsOf(calls, 'az functionapp deployment source config-zip')).toHaveLength(11)
		expect(stderr).toContain('error: az functionapp deployment is still refused after five minutes\n')
	})

	test('does not retry after another failure', () => {
		const { status, stderr, calls } = run(deploy, {
			...deployedBefore,
			publishFailures: 1,
			publishError: 'InvalidPackageContentException: request 4035',
		})
		expect({ status, stderr }).toEqual({
			status: 1,
			stderr:
				'ERROR: InvalidPackageContentException: request 4035\nerror: az functionapp deployment failed\nhint: its output is above: fix the problem, and run this again\n',
		})
		expect(callsOf(calls, 'sleep')).toEqual([])
	})

	test.each([
		[
			'does not run',
			{ pollsUntilRunning: 99 },
			'error: https://rollcall-abc.azurewebsites.net does not run after ten minutes: the status of /scim/health is 000\n' +
				'hint: look at the Log stream of the function app, and run this again\n',
		],
		[
			'cannot use its tables',
			{ pollsUntilUp: 99, answerBefore: ['503', 'tables are away'] },
			'{"schemas":["tables are away"],"status":"503"}' +
				'error: https://rollcall-abc.azurewebsites.net runs, but cannot use tables or vault after ten minutes: the last status was 503\n' +
				'hint: a new role may take longer: run this again; then look at the failures in Application Insights\n',
		],
	])('gives up on an app that %s, with its last answer', (_, subscription, refusal) => {
		const { status, stderr, calls } = run(deploy, { ...deployedBefore, ...subscription })
		expect({ status, stderr }).toEqual({ status: 1, stderr: refusal })
		expect(callsOf(calls, 'sleep')).toEqual(Array(60).fill('sleep 10'))
	})

	test('a 401 of another server does not count as an answer of the app', () => {
		const { stdout, calls } = run(deploy, {
			...deployedBefore,
			pollsUntilUp: 1,
			answerBefore: ['401', 'somebody else'],
		})
		expect(callsOf(calls, 'curl')).toHaveLength(3)
		expect(stdout).toContain('Rollcall is running at')
	})

	test('uses the administrator in the parameter file, if there is one', () => {
		writeFileSync(join(root, 'infra/own.bicepparam'), "using 'main.bicep'\nparam administratorId = 'group'\n")
		const { status, calls } = run(
			'deploy.sh --resource-group rollcall --parameters infra/own.bicepparam',
			deployedBefore,
		)
		expect(status).toBe(0)
		expect(callsOf(calls, 'az deployment group create')).toEqual([
			'az deployment group create --resource-group rollcall --name rollcall --parameters infra/own.bicepparam --output none',
		])
	})

	test('says that a service principal does not become the administrator', () => {
		const { status, stderr, calls } = run(deploy, { ...deployedBefore, userType: 'servicePrincipal' })
		expect({ status, stderr }).toEqual({
			status: 0,
			stderr:
				'Not signed in as a user: set administratorId in infra/small.bicepparam to the administrator who adds tenants.\n',
		})
		expect(callsOf(calls, 'az deployment group create')[0]).not.toContain('administratorId')
	})

	test.each([
		['deploy.sh', '--resource-group is needed'],
		['deploy.sh --resource-group', '--resource-group needs a value'],
		['deploy.sh --resource-group rollcall', '--parameters is needed'],
		['deploy.sh --resource-group rollcall --parameters nowhere', 'the file nowhere does not exist'],
		['deploy.sh --resource-group rollcall --parameters infra/main.bicep', 'infra/main.bicep is not a .bicepparam file'],
		['deploy.sh --force', 'unknown option --force'],
		[deploy, 'the resource group rollcall does not exist: --location is needed to create it'],
		['destroy.sh', '--resource-group is needed'],
	])('%s is answered with the problem and the manual', (command, message) => {
		const { status, stdout, stderr, calls } = run(command)
		expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
		expect(calls.filter((call) => !/^az (version|account show|bicep version|group exists)/.test(call))).toEqual([])
		expect(stderr).toContain(`error: ${message}\n\n`)
		expect(stderr).toContain(`infra/${command.split(' ')[0]} --resource-group GROUP`)
	})

	test('does not preview in a group that does not exist', () => {
		const { status, stderr } = run(`${deploy} --what-if`)
		expect({ status, stderr }).toEqual({
			status: 1,
			stderr:
				'error: the resource group rollcall does not exist; a preview needs it\nhint: run: az group create --name rollcall --location REGION\n',
		})
	})
})

describe('destroy.sh', () => {
	const destroy = 'destroy.sh --resource-group rollcall'

	test.each(['', '\n', 'yes\n', 'Rollcall\n'])('removes nothing if the answer is %j', (input) => {
		const { status, stdout, stderr, calls, after } = run(destroy, { ...deployedBefore, input })
		expect({ status, stderr }).toEqual({ status: 1, stderr: 'error: nothing was removed\n' })
		expect(stdout).toContain('Type the name of the resource group to continue: ')
		expect(callsOf(calls, 'az group delete')).toEqual([])
		expect(after.groups).toEqual(deployedBefore.groups)
	})

	test('removes the group and purges the vault', () => {
		const { status, stdout, calls, after } = run(destroy, { ...deployedBefore, input: 'rollcall\n' })
		expect(status).toBe(0)
		expect(calls.slice(-2)).toEqual([
			'az group delete --name rollcall --yes --output none',
			'az keyvault purge --name rollcall-abc --location westeurope --output none',
		])
		expect(after).toMatchObject({ groups: {}, purged: true })
		expect(stdout).toMatch(/Removed\.\n$/)
	})

	test('keeps a protected vault for its 90 days', () => {
		const { status, stdout, after } = run(destroy, { ...deployedBefore, input: 'rollcall\n', purgeProtection: true })
		expect(status).toBe(0)
		expect(after).toMatchObject({ groups: {}, purged: false })
		expect(stdout).toContain('The vault rollcall-abc is protected: it can be recovered for 90 days')
	})

	test('says what to do if the vault cannot be purged', () => {
		const { status, stderr, after } = run(destroy, { ...deployedBefore, input: 'rollcall\n', purgeFailures: 1 })
		expect({ status, stderr }).toEqual({
			status: 1,
			stderr:
				'ERROR: (Forbidden) The user does not have permission to purge\n' +
				'error: all resources are removed, but the vault rollcall-abc keeps its name for 90 days\n' +
				'hint: run: az keyvault purge --name rollcall-abc --location westeurope\n',
		})
		expect(after).toMatchObject({ groups: {}, purged: false })
	})

	test('removes the resources of a deployment that failed before it created a vault', () => {
		const { status, stdout, stderr, calls, after } = run(destroy, {
			...deployedBefore,
			input: 'rollcall\n',
			hasVault: false,
		})
		expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
		expect(callsOf(calls, 'az keyvault')).toEqual([])
		expect(after.groups).toEqual({})
		expect(stdout).toMatch(/Removed\.\n$/)
	})

	test('does not change a group without a deployment of Rollcall', () => {
		const { status, calls } = run(destroy, { groups: { rollcall: 'westeurope' }, input: 'rollcall\n' })
		expect(status).toBe(1)
		expect(callsOf(calls, 'az group delete')).toEqual([])
	})
})

test('the az commands of docs/deploy.md do the same as deploy.sh', () => {
	const text = readFileSync(fileURLToPath(new URL('../../docs/deploy.md', import.meta.url)), 'utf8')
	const section = /^### The same with az alone$(.*?)^## /ms.exec(text)?.[1] ?? ''
	const typed = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block).join('')
	const byHand = execute(['bash', '--norc', '-euc', typed], { pollsUntilUp: 1 })
	expect({ status: byHand.status, stderr: byHand.stderr }).toEqual({ status: 0, stderr: '' })
	const byScript = run(`${deploy} --location westeurope`, { pollsUntilUp: 1 })
	expect({ ...byHand.after, pollsUntilUp: 0 }).toEqual({ ...byScript.after, pollsUntilUp: 0 })

	const commandsOf = ({ calls }: ReturnType<typeof run>) => calls.filter((call) => /^(az|npm) /.test(call))
	const decisions = ['az group exists --name rollcall', 'az account show --query user.type --output tsv']
	expect(commandsOf(byHand).filter((call) => !call.endsWith(' --what-if'))).toEqual(
		commandsOf(byScript)
			.filter((call) => !decisions.includes(call))
			.map((call) => call.replace(' ./dist', ' dist')),
	)
	expect(callsOf(byHand.calls, 'az deployment group create')[0]).toMatch(/ --what-if$/)
	expect(callsOf(byHand.calls, 'curl')).toHaveLength(3)
})
