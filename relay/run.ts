import { UsageError } from '../shared/cli/usage-error.ts'
import { systemClock } from '../shared/relay/clock.ts'
import { type Admin, startAdmin } from './admin.ts'
import { type Agent, startAgent } from './agent.ts'
import { type Config, readConfig } from './config.ts'
import { briefly, type Log } from './log.ts'
import { metricsOf } from './metrics.ts'

type Setting = { readonly log: Log; readonly version: string }

/** Listens until SIGTERM; SIGHUP reads the settings again. The result is the exit code. */
export async function run(file: string, setting: Setting): Promise<number> {
	const metrics = metricsOf(setting.log)
	const surroundings = { clock: systemClock, log: metrics.log, random: Math.random }
	/** The one with the newest settings is the last; those before it listen until it does. */
	const agents: Agent[] = []
	const watched = { agent: () => agents.at(-1), metrics, version: setting.version }
	let admin: Admin | undefined

	async function begin(config: Config): Promise<Agent> {
		const port = config.admin?.port
		const next = port === undefined || port === admin?.port ? admin : await startAdmin(port, watched)
		try {
			const agent = startAgent(config, surroundings)
			agents.push(agent)
			if (next !== admin || port === undefined) await admin?.close()
			admin = port === undefined ? undefined : next
			return agent
		} catch (error) {
			if (next !== admin) await next?.close()
			throw error
		}
	}

	async function takeOver(agent: Agent): Promise<void> {
		await agent.online
		const others = agents.slice(0, Math.max(0, agents.indexOf(agent)))
		await Promise.all(
			others.map(async (other) => {
				await other.retire(agent)
				agents.splice(agents.indexOf(other), 1)
			}),
		)
	}

	/** Broken settings change nothing. */
	async function reload(): Promise<void> {
		try {
			const agent = await begin(readConfig(file))
			metrics.log('config_reloaded')
			takeOver(agent).catch((error: unknown) => metrics.log('retire_failed', { detail: briefly(error) }))
		} catch (error) {
			const hint = error instanceof UsageError ? { hint: error.hint } : {}
			metrics.log('config_refused', { detail: briefly(error), ...hint })
		}
	}

	await begin(readConfig(file))
	let reloading = Promise.resolve()
	process.on('SIGHUP', () => {
		reloading = reloading.then(reload)
	})
	await new Promise<void>((resolve) => {
		for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve())
	})
	for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1))
	metrics.log('draining')
	await Promise.all(agents.map((agent) => agent.drain()))
	metrics.log('stopped')
	return 0
}
