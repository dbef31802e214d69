import { systemClock } from '../shared/relay/clock.ts'
import { type Admin, startAdmin } from './admin.ts'
import { type AgentSettings, readSettings } from './config.ts'
import { watchFiles } from './file-watch.ts'
import { openFleet, refusalOf, type SettingsRefusal } from './fleet.ts'
import type { Log } from './log.ts'
import { metricsOf } from './metrics.ts'
import { filesOf, isOutdated, sourceOf } from './secret-file.ts'

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

/** Runs the agents until a stop signal arrives. Reads the settings again when they change. Resolves to the exit code. */
export async function run(file: string, options: RunOptions): Promise<number> {
	const metrics = metricsOf(options.log)
	const fleet = openFleet({ clock: systemClock, log: metrics.log, random: Math.random })
	const signals = signalsOn(process.platform)
	let admin: Admin | undefined
	let current = readSettings(file)
	let isStopping = false
	let end = (_code: number) => {}
	const ended = new Promise<number>((resolve) => {
		end = resolve
	})

	/** Opens the port of the settings before the agents change over. */
	async function begin(settings: AgentSettings, isForced: boolean): Promise<readonly SettingsRefusal[]> {
		const port = settings.admin?.port
		const next = port === undefined || port === admin?.port ? admin : await startAdmin(port, adminSources)
		const refusals = fleet.apply(settings, { isForced })
		// The request for this reload may have come by the old port, and must still get its answer.
		if (next !== admin || port === undefined) void admin?.close()
		admin = port === undefined ? undefined : next
		current = settings
		return refusals
	}

	/** Invalid settings change nothing. */
	async function reload(isForced: boolean): Promise<readonly SettingsRefusal[]> {
		if (isStopping) return [{ detail: 'the agent is stopping', cause: undefined }]
		watch.note()
		const refusals = await refusalsOf(async () => begin(readSettings(file), isForced))
		report(refusals)
		return refusals
	}

	function report(refusals: readonly SettingsRefusal[]): void {
		for (const { cause: _, ...details } of refusals) metrics.log('config_refused', details)
		for (const secret of filesOf(current).secret.filter(isOutdated))
			metrics.log('restart_needed', { file: secret, detail: 'systemd made its copy before the file was changed' })
	}

	let reloading: Promise<unknown> = Promise.resolve()
	/** Reloads take turns. */
	const requestReload = (isForced: boolean) => {
		const next = reloading.then(() => reload(isForced))
		reloading = next
		return next
	}

	const adminSources = {
		servers: fleet.servers,
		reload: () => requestReload(true),
		metrics,
		version: options.version,
	}
	const watch = watchFiles({
		files: () => [file, ...filesOf(current).secret.map(sourceOf), ...filesOf(current).open],
		changed: () => void requestReload(false),
		clock: systemClock,
	})
	const refusals = await begin(current, true)
	// Without any agent, the service manager must see that the settings are wrong.
	if (fleet.servers().every(({ agent }) => agent === undefined)) throw refusals[0]?.cause
	report(refusals)
	for (const signal of signals.reload) process.on(signal, () => void requestReload(true))
	for (const signal of signals.stop) process.on(signal, () => end(0))
	void fleet.emptied.then(() => end(wrongSettings))
	const code = await ended
	for (const signal of signals.stop) process.once(signal, () => process.exit(1))
	isStopping = true
	watch.stop()
	metrics.log('draining')
	// Without this, an agent that is starting now would keep listening.
	await reloading
	await fleet.drain()
	metrics.log('stopped')
	return code
}

async function refusalsOf(work: () => Promise<readonly SettingsRefusal[]>): Promise<readonly SettingsRefusal[]> {
	try {
		return await work()
	} catch (error) {
		return [refusalOf(error)]
	}
}
