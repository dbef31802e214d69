import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The program that answers for az, npm and curl while it runs. */
type Stub = {
	/** A script of bash for the program `tool`. It needs the files in STUB_STATE and STUB_CALLS. */
	clientFor(tool: 'az' | 'npm' | 'curl'): string
	stop(): void
}

export async function startStub(): Promise<Stub> {
	const child = spawn(process.execPath, [fileURLToPath(new URL('./stub.mjs', import.meta.url))], {
		stdio: ['ignore', 'pipe', 'inherit'],
	})
	const [port] = await once(child.stdout, 'data')
	return {
		clientFor: (tool) => `exec 3<>/dev/tcp/127.0.0.1/${String(port).trim()}
printf '%s\\0' $(($# + 4)) "$PWD" "$STUB_STATE" "$STUB_CALLS" ${tool} "$@" >&3
IFS= read -r -d '' status <&3
IFS= read -r -d '' out <&3
IFS= read -r -d '' err <&3
printf %s "$out"
printf %s "$err" >&2
exit "$status"`,
		stop: () => child.kill(),
	}
}

const output = (value: string) => ({ type: 'String', value })

/** The state of Azure for stub.mjs: a new subscription, or one that a test has changed. */
export const newSubscription = {
	azVersion: '2.61.0',
	/** The output of `az bicep version`; undefined before az has fetched Bicep. */
	bicepVersion: 'Bicep CLI version 0.36.177 (3f73e1a234)' as string | undefined, // sound: see above
	signedIn: true,
	userType: 'user',
	/** Access tokens by resource. */
	accessTokens: {} as Readonly<Record<string, string>>, // sound: empty
	groups: {} as Record<string, string>, // sound: empty, and filled only with locations
	deployed: false,
	/** The outputs of the deployment, if there is one. */
	outputs: {
		appName: output('rollcall-abc'),
		hostName: output('rollcall-abc.azurewebsites.net'),
		keyVaultName: output('rollcall-abc'),
		storageAccountName: output('rollcallabc'),
	},
	publishFailures: 0,
	publishError: '',
	/** The number of times that the app does not answer, and then the number of times that it cannot use tables or vault. */
	pollsUntilRunning: 0,
	pollsUntilUp: 0,
	answerBefore: ['503', 'urn:ietf:params:scim:api:messages:2.0:Error'],
	/** Whether a deployment has created the vault. */
	hasVault: true,
	purgeProtection: false,
	purgeFailures: 0,
	published: undefined as string[] | undefined, // sound: not yet
	purged: false,
}

export type Subscription = typeof newSubscription

export const deployedBefore = { groups: { rollcall: 'westeurope' }, deployed: true }
