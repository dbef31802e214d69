import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { codeOf, UsageError } from '../shared/cli/usage-error.ts'
import { type Agent, type AgentEnvironment, startAgent } from './agent.ts'
import { type AgentSettings, type Config, isSameConnection } from './config.ts'
import { briefly, type Log } from './log.ts'
import { filesOf, sourceOf } from './secret-file.ts'

/** A SCIM server of the settings, and the agent that works for it. */
export type ServerState = {
	/** The newest settings. */
	readonly config: Config
	/** The newest agent. Undefined if the settings have never been usable. */
	readonly agent: Agent | undefined
	/** Why the newest settings are not in use. An agent with earlier ones keeps working. */
	readonly refusal: SettingsRefusal | undefined
}

/** Settings that cannot be used, or files that they name. */
export type SettingsRefusal = {
	/** The name of the server. Absent for the whole file, and for the only server. */
	readonly server?: string | undefined
	readonly detail: string
	readonly hint?: string | undefined
	readonly cause: unknown
}

/** The agents of one process: one for each SCIM server of the settings. A fault of one does not touch the others. */
export type Fleet = {
	/**
	 * Changes over to these settings without a gap: an earlier agent listens until its successor does. A server whose
	 * files cannot be used keeps the agent that it has. Servers that are no longer named finish their requests and stop.
	 * Returns what was refused.
	 */
	apply(settings: AgentSettings, options: ApplyOptions): readonly SettingsRefusal[]
	servers(): readonly ServerState[]
	/** Resolves if an administrator has removed the last agent. The process then has nothing to do. */
	readonly emptied: Promise<void>
	/** Stops all agents. They first finish the requests in progress. */
	drain(): Promise<void>
}

type ApplyOptions = {
	/** Also changes over the servers whose settings and files are the same as before. */
	readonly isForced: boolean
}

type Station = {
	config: Config
	/** The last one has the newest settings. The earlier ones listen until the last one does. */
	readonly agents: Set<Agent>
	refusal: SettingsRefusal | undefined
	/** What the settings and their files were when the last agent started. */
	mark: string | undefined
}

export function openFleet(environment: AgentEnvironment): Fleet {
	let stations: readonly Station[] = []
	/** Agents of servers that are no longer in the settings. */
	const leaving = new Set<Agent>()
	let end = () => {}
	const emptied = new Promise<void>((resolve) => {
		end = resolve
	})

	function start(station: Station, config: Config): void {
		const mark = markOf(config)
		const log = labelled(environment.log, config.name)
		const isFirst = station.agents.size === 0
		const agent = startAgent(config, { ...environment, log })
		station.agents.add(agent)
		void agent.removed.then(() => {
			station.agents.delete(agent)
			if (station.agents.size === 0) station.refusal = removalOf(config)
			if (stations.every(({ agents }) => agents.size === 0)) end()
		})
		Object.assign(station, { config, mark, refusal: undefined })
		if (!isFirst) log('config_reloaded')
		takeOver(station, agent).catch((error: unknown) => log('retire_failed', { detail: briefly(error) }))
	}

	function renew(station: Station, config: Config): void {
		try {
			start(station, config)
		} catch (error) {
			if (station.agents.size === 0) station.config = config
			station.refusal = refusalOf(error, config.name)
		}
	}

	function leave({ agents, config }: Station): void {
		labelled(environment.log, config.name)('server_removed', { hybridConnection: config.relay.hybridConnection })
		for (const agent of agents) {
			leaving.add(agent)
			void agent.drain().finally(() => leaving.delete(agent))
		}
	}

	return {
		apply: ({ servers }, { isForced }) => {
			const earlier = stations
			stations = servers.map((config) => stationFor(config, servers, earlier) ?? emptyStation(config))
			for (const [index, station] of stations.entries()) {
				const config = servers[index] ?? station.config
				if (isForced || station.mark !== markOf(config)) renew(station, config)
				else station.refusal = undefined
			}
			for (const station of earlier) if (!stations.includes(station)) leave(station)
			return stations.flatMap(({ refusal }) => refusal ?? [])
		},
		servers: () => stations.map(({ config, agents, refusal }) => ({ config, agent: [...agents].at(-1), refusal })),
		emptied,
		drain: async () => {
			const agents = [...stations.flatMap((station) => [...station.agents]), ...leaving]
			await Promise.all(agents.map((agent) => agent.drain()))
		},
	}
}

const emptyStation = (config: Config): Station => ({ config, agents: new Set(), refusal: undefined, mark: undefined })

const removalOf = ({ name }: Config): SettingsRefusal => ({
	...(name !== undefined && { server: name }),
	detail: 'an administrator has removed this agent',
	cause: undefined,
})

/** The station of the same name. After a change of the name, that of the same hybrid connection. */
function stationFor(config: Config, servers: readonly Config[], stations: readonly Station[]): Station | undefined {
	const isKept = ({ config: { name } }: Station) => servers.some((each) => each.name === name)
	return (
		stations.find((station) => station.config.name === config.name) ??
		stations.find((station) => !isKept(station) && isSameConnection(station.config, config))
	)
}

async function takeOver({ agents }: Station, agent: Agent): Promise<void> {
	await agent.online
	const all = [...agents]
	await Promise.all(
		all.slice(0, all.indexOf(agent)).map(async (other) => {
			await other.retire(agent)
			agents.delete(other)
		}),
	)
}

/** The log of a server. If the settings have no names, its lines are those of the process. */
const labelled =
	(log: Log, server: string | undefined): Log =>
	(event, details) =>
		log(event, server === undefined ? details : { server, ...details })

/** A refusal for an error of the settings, of one server or of the whole file. */
export function refusalOf(error: unknown, server?: string): SettingsRefusal {
	return {
		...(server !== undefined && { server }),
		detail: briefly(error),
		...(error instanceof UsageError && { hint: error.hint }),
		cause: error,
	}
}

/** A digest of settings and the files that they name. */
function markOf(config: Config): string {
	const { secret, open } = filesOf(config)
	const hash = createHash('sha256').update(JSON.stringify(config))
	for (const file of [...secret, ...open]) hash.update(`\n${file}\n`).update(contentOf(sourceOf(file)))
	return hash.digest('hex')
}

/** The content, or the reason why it cannot be read. */
function contentOf(file: string): Buffer | string {
	try {
		return readFileSync(file)
	} catch (error) {
		return String(codeOf(error) ?? error)
	}
}
