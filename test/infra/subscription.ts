import { fileURLToPath } from 'node:url'

/** The program that stands in for az: `node STUB az ARGUMENT…`. */
export const stub = fileURLToPath(new URL('./stub.mjs', import.meta.url))

const output = (value: string) => ({ type: 'String', value })

/** What stub.mjs knows of Azure: a new subscription, or what a test makes of it. */
export const newSubscription = {
	azVersion: '2.61.0',
	/** What `az bicep version` says; undefined before az has fetched one. */
	bicepVersion: 'Bicep CLI version 0.36.177 (3f73e1a234)' as string | undefined, // sound: see above
	signedIn: true,
	userType: 'user',
	/** Access tokens by resource. */
	accessTokens: {} as Readonly<Record<string, string>>, // sound: empty
	groups: {} as Record<string, string>, // sound: empty, and filled with locations alone
	deployed: false,
	/** Of the deployment, when there is one. */
	outputs: {
		appName: output('rollcall-abc'),
		hostName: output('rollcall-abc.azurewebsites.net'),
		keyVaultName: output('rollcall-abc'),
		storageAccountName: output('rollcallabc'),
	},
	publishFailures: 0,
	publishError: '',
	/** How often the app does not answer at all, and after that how often it cannot use tables or vault. */
	pollsUntilRunning: 0,
	pollsUntilUp: 0,
	answerBefore: ['503', 'urn:ietf:params:scim:api:messages:2.0:Error'],
	/** Whether a deployment has come as far as the vault. */
	hasVault: true,
	purgeProtection: false,
	purgeFailures: 0,
	published: undefined as string[] | undefined, // sound: not yet
	purged: false,
}

export type Subscription = typeof newSubscription

export const deployedBefore = { groups: { rollcall: 'westeurope' }, deployed: true }
