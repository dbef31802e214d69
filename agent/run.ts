import { systemClock } from '../shared/relay/clock.ts'
import { type Admin, startAdmin } from './admin.ts'
import { type AgentSettings, readSettings } from './config.ts'
import { openFleet, refusalOf, type SettingsRefusal } from './fleet.ts'
import type { Log } from './log.ts'
import { metricsOf } from './metrics.ts'

type RunOptions = { readonly log: Log; readonly version: string }

type Signals = { readonly stop: readonly NodeJS.Signals[]; readonly reload: readonly NodeJS.Signals[] }

/**
 * Ctrl+C sends SIGINT, and WinSW stops a Windows service by Ctrl+C. On Windows SIGBREAK is Ctrl+Break, and SIGHUP means that
 * the console is closing, which leaves about ten seconds: https://nodejs.org/api/process.html#signal-events
 */
export const signalsOn = (platform: string): Signals =>
	platform === 'win32'
		? { stop: ['SIGTERM', 'SIGINT', 'SIGBREAK', 'SIGHUP'], reload: [] }
		: { stop: ['SIGTERM', 'SIGINT'], reload: ['SIGHUP'] }

/** Runs the agents until a stop signal arrives. A reload signal reads the settings again. Resolves to the exit code. */
export async function run(file: string, options: RunOptions): Promise<number> {
	const metrics = metricsOf(options.log)
	const fleet = openFleet({ clock: systemClock, log: metrics.log, random: Math.random })
	const adminSources = { servers: fleet.servers, metrics, version: options.version }
	const signals = signalsOn(process.platform)
	let admin: Admin | undefined
	let isStopping = false

	/** Opens the port of the settings before the agents change over. */
	async function begin(settings: AgentSettings): Promise<readonly SettingsRefusal[]> {
		const port = settings.admin?.port
		const next = port === undefined || port === admin?.port ? admin : await startAdmin(port, adminSources)
		const refusals = fleet.apply(settings, { isForced: true })
		if (next !== admin || port === undefined) await admin?.close()
		admin = port === undefined ? undefined : next
		return refusals
	}

	/** Invalid settings change nothing. */
	async function reload(): Promise<void> {
		if (isStopping) return
		try {
			report(await begin(readSettings(file)))
		} catch (error) {
			report([refusalOf(error)])
		}
	}

	const report = (refusals: readonly SettingsRefusal[]) => {
		for (const { cause: _, ...details } of refusals) metrics.log('config_refused', details)
	}

	const refusals = await begin(readSettings(file))
	// Without any agent, the service manager must see that the settings are wrong.
	if (fleet.servers().every(({ agent }) => agent === undefined)) throw refusals[0]?.cause
	report(refusals)
	let reloading = Promise.resolve()
	for (const signal of signals.reload)
		process.on(signal, () => {
			reloading = reloading.then(reload)
		})
	await new Promise<void>((resolve) => {
		for (const signal of signals.stop) process.on(signal, () => resolve())
	})
	for (const signal of signals.stop) process.once(signal, () => process.exit(1))
	isStopping = true
	metrics.log('draining')
	// Without this, an agent that is starting now would keep listening.
	await reloading
	await fleet.drain()
	metrics.log('stopped')
	return 0
}
