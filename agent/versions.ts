import { isNewer, type ToldVersions } from '../shared/relay/versions.ts'
import type { Log } from './log.ts'

/** What the cloud has told about versions. */
export type VersionNews = {
	/** The version of Rollcall in the cloud, and the newest version of an agent that it knows. */
	readonly rollcall?: ToldVersions
	/** The version to upgrade this agent to. Absent if the cloud knows no newer one. */
	readonly upgrade?: string
}

export type VersionWatch = {
	/** Takes what the cloud tells. Logs each combination of versions once: an app of two versions may tell both in turn. */
	note(told: ToldVersions): void
	news(): VersionNews
}

/** @param own the version of this agent */
export function versionWatch(own: string, log: Log): VersionWatch {
	const seen = new Set<string>()
	let rollcall: ToldVersions | undefined
	/** A lower version does not take back what an instance of the app knew. */
	const newestOf = ({ newestAgent }: ToldVersions): string =>
		rollcall !== undefined && isNewer(rollcall.newestAgent, newestAgent) ? rollcall.newestAgent : newestAgent
	const upgrade = () =>
		rollcall !== undefined && isNewer(rollcall.newestAgent, own) ? rollcall.newestAgent : undefined
	return {
		note: (told) => {
			rollcall = { version: told.version, newestAgent: newestOf(told) }
			const combination = `${rollcall.version} ${rollcall.newestAgent}`
			if (seen.has(combination)) return
			seen.add(combination)
			log(upgrade() === undefined ? 'versions' : 'upgrade_available', { agentVersion: own, ...rollcall })
		},
		news: () => {
			const version = upgrade()
			return { ...(rollcall && { rollcall }), ...(version !== undefined && { upgrade: version }) }
		},
	}
}
