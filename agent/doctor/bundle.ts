import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import wsPackage from 'ws/package.json' with { type: 'json' }
import { type AgentSettings, type Config, readSettings } from '../config.ts'
import { briefly } from '../log.ts'
import { serviceWith } from '../service.ts'
import type { Machine } from '../service-manager.ts'
import { logFolder } from '../service-name.ts'
import type { DoctorFinding } from './check.ts'

type BundleContent = {
	readonly config: string
	readonly findings: readonly DoctorFinding[]
	readonly machine: Machine
	readonly version: string
}

/** Writes findings, settings without secrets, versions and the end of the log to a JSON file, for support. */
export function writeBundle(file: string, { config, findings, machine, version }: BundleContent): void {
	const { platform, arch, versions } = process
	const bundle = {
		made: new Date().toISOString(),
		versions: {
			'rollcall-relay': version,
			node: versions.node,
			openssl: versions.openssl,
			ws: wsPackage.version,
			platform,
			arch,
		},
		findings: findings.map((finding) => ({ ...finding, seen: withoutExcerpt(finding.seen) })),
		config: orMissing(() => withoutPasswords(readSettings(config))),
		log: orMissing(() => lastLines(machine, serviceWith(config, machine))),
	}
	writeFileSync(file, `${JSON.stringify(bundle, null, 2)}\n`, { mode: 0o600 })
}

/** The last 200 lines of the service's log. On Windows, WinSW writes the log beside the agent. */
function lastLines({ platform, folder, run }: Machine, id: string): readonly string[] {
	const log =
		platform === 'win32'
			? readFileSync(join(folder, logFolder(id), `${id}.err.log`), 'utf8')
			: run('journalctl', ['-u', id, '-n', '200', '-o', 'cat'])
	return log.split(/\r?\n/).filter(Boolean).slice(-200)
}

/** The result of `get`, or the reason why it is missing. */
function orMissing<T>(get: () => T): T | { readonly missing: string } {
	try {
		return get()
	} catch (error) {
		return { missing: withoutExcerpt(briefly(error)) }
	}
}

/** For settings that are not JSON, the error quotes a part of them, which may contain the proxy's password. */
const withoutExcerpt = (text: string): string =>
	text.replace(/(\.\.\.)?".*"(\.\.\.)? is not valid JSON/, '… is not valid JSON')

/** The settings of the only server, or those of all servers. */
function withoutPasswords({ servers }: AgentSettings): object {
	const [first] = servers
	return first?.name === undefined && first !== undefined
		? withoutSecrets(first)
		: { servers: servers.map(withoutSecrets) }
}

/** Settings contain only names of secret files, but the URL of a proxy may contain a password. */
const withoutSecrets = ({ relay, ...others }: Config) => ({
	...others,
	relay: { ...relay, ...(relay.proxy !== undefined && { proxy: relay.proxy.replace(/\/\/[^/]*@/, '//…@') }) },
})
