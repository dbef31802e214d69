import { readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../../shared/relay/clock.ts'
import { enrolAgent } from '../enrol.ts'
import { readSecret } from '../secret-file.ts'

/**
 * Adds the connection with Azure to a settings file that has the SCIM server already. Returns what the administrator should
 * know. If it rejects, the file is as before.
 */
export type Connect = (file: string) => Promise<string>

type AzureNetwork = { readonly proxy?: string | undefined; readonly caFile?: string | undefined }

type CodeOptions = AzureNetwork & {
	readonly readCode: () => Promise<string>
	/** Whether the code has a key of Azure Relay, for a machine that cannot reach the app. */
	readonly isOffline: boolean
	readonly clock: Clock
}

/** Exchanges a code of `rollcall agent add`. Without `isOffline`, no key of Azure Relay is then on this machine. */
export const connectByCode =
	({ readCode, clock, ...network }: CodeOptions): Connect =>
	async (file) => {
		const result = await enrolAgent({ text: await readCode(), file, host: hostname(), clock, ...network })
		const { agent, relay, keyFile, enrolled } = result
		const place = `agent ${agent} on ${relay.namespace}/${relay.hybridConnection}`
		if (enrolled === undefined) return `set up as ${place}\na key of Azure Relay is in ${keyFile}`
		return `enrolled as ${place}
its key has the fingerprint ${enrolled.fingerprint}; compare it with: rollcall agent list ${enrolled.tenant}`
	}

/** A key with the right Listen, and the hybrid connection that it is for. */
export type ListenKey = {
	readonly namespace: string
	readonly hybridConnection: string
	readonly keyName: string
	readonly keyFile: string
}

/** Uses a key, for a machine that reaches Azure Relay alone. The file with the key is copied beside the settings. */
export const connectByKey =
	({ namespace, hybridConnection, keyName, keyFile }: ListenKey, { proxy, caFile }: AzureNetwork): Connect =>
	async (file) => {
		const key = readSecret(keyFile)
		writeFileSync(join(dirname(file), 'listen.key'), `${key}\n`, { mode: 0o600 })
		const relay = {
			namespace,
			hybridConnection,
			...(proxy !== undefined && { proxy }),
			...(caFile !== undefined && { caFile: resolve(caFile) }),
		}
		const credentials = { type: 'sas', keyName, keyFile: 'listen.key' }
		const settings = { relay, credentials, ...JSON.parse(readFileSync(file, 'utf8')) }
		writeFileSync(file, `${JSON.stringify(settings, null, 2)}\n`)
		return `the agent will listen on ${namespace}/${hybridConnection} by the key ${keyName}`
	}
