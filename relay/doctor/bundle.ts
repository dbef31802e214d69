import { writeFileSync } from 'node:fs'
import { type Config, readConfig } from '../config.ts'
import { briefly } from '../log.ts'
import type { Machine } from '../service.ts'
import type { Finding } from './check.ts'

type Content = {
	readonly config: string
	readonly findings: readonly Finding[]
	readonly machine: Machine
	readonly version: string
}

/** Writes what somebody else needs to see what is wrong: settings without secrets, findings, versions, the end of the log. */
export function writeBundle(file: string, { config, findings, machine, version }: Content): void {
	const { platform, arch, versions } = process
	const bundle = {
		made: new Date().toISOString(),
		versions: { 'rollcall-relay': version, node: versions.node, openssl: versions.openssl, platform, arch },
		findings,
		config: attempt(() => withoutSecrets(readConfig(config))),
		log: attempt(() => machine.run('journalctl', ['-u', 'rollcall-relay', '-n', '200', '-o', 'cat']).split('\n')),
	}
	writeFileSync(file, `${JSON.stringify(bundle, null, 2)}\n`, { mode: 0o600 })
}

/** Whatever cannot be had is itself something to know. */
function attempt<T>(get: () => T): T | { readonly missing: string } {
	try {
		return get()
	} catch (error) {
		return { missing: briefly(error) }
	}
}

/** Secrets are in files, whose names stay; but a proxy may have its password in its address. */
const withoutSecrets = ({ relay, ...others }: Config) => ({
	...others,
	relay: { ...relay, ...(relay.proxy !== undefined && { proxy: relay.proxy.replace(/\/\/[^/]*@/, '//…@') }) },
})
