import { UsageError } from '../shared/cli/usage-error.ts'
import { systemClock } from '../shared/relay/clock.ts'
import { type Admin, startAdmin } from './admin.ts'
import { type Agent, startAgent } from './agent.ts'
import { type Config, readConfig } from './config.ts'
import { briefly, type Log } from './log.ts'
import { metricsOf } from './metrics.ts'

type RunOptions = { readonly log: Log; readonly version: string }

/** An agent that was removed ends with it. The service manager then does not start the agent again. */
const wrongSettings = 2

type Signals = { readonly stop: readonly NodeJS.Signals[]; readonly reload: readonly NodeJS.Signals[] }

/**
 * Ctrl+C sends SIGINT, and WinSW stops a Windows service by Ctrl+C. On Windows SIGBREAK is Ctrl+Break, and SIGHUP means that
 * the console is closing, which leaves about ten seconds: https://nodejs.org/api/process.html#signal-events
 */
export const signalsOn = (platform: string): Signals =>
	platform === 'win32'
		? { stop: ['SIGTERM', 'SIGINT', 'SIGBREAK', 'SIGHUP'], reload: [] }
		: { stop: ['SIGTERM', 'SIGINT'], reload: ['SIGHUP'] }

/** Runs the agent until a stop signal arrives. A reload signal reads the settings again. Resolves to the exit code. */
export async function run(file: string, options: RunOptions): Promise<number> {
	const metrics = metricsOf(options.log)
	const environment = { clock: systemClock, log: metrics.log, random: Math.random }
	/** The last agent has the newest settings. The earlier agents listen until the last one does. */
	const agents = new Set<Agent>()
	const adminSources = { agent: () => [...agents].at(-1), metrics, version: options.version }
	const signals = signalsOn(process.platform)
	let admin: Admin | undefined
	let isStopping = false
	let end = (_code: number) => {}
	const ended = new Promise<number>((resolve) => {
		end = resolve
	})

	async function begin(config: Config): Promise<Agent> {
		const port = config.admin?.port
		const next = port === undefined || port === admin?.port ? admin : await startAdmin(port, adminSources)
		try {
			const agent = startAgent(config, environment)
			agents.add(agent)
			void agent.removed.then(() => {
				agents.delete(agent)
				if (agents.size === 0) end(wrongSettings)
			})
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
		const all = [...agents]
		await Promise.all(
			all.slice(0, all.indexOf(agent)).map(async (other) => {
				await other.retire(agent)
				agents.delete(other)
			}),
		)
	}

	/** Invalid settings change nothing. */
	async function reload(): Promise<void> {
		if (isStopping) return
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
	for (const signal of signals.reload)
		process.on(signal, () => {
			reloading = reloading.then(reload)
		})
	for (const signal of signals.stop) process.on(signal, () => end(0))
	const code = await ended
	for (const signal of signals.stop) process.once(signal, () => process.exit(1))
	isStopping = true
	metrics.log('draining')
	// Without this, an agent that is starting now would keep listening.
	await reloading
	await Promise.all([...agents].map((agent) => agent.drain()))
	metrics.log('stopped')
	return code
}
