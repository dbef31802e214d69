import type { Clock } from '../../../shared/relay/clock.ts'

export type ScaledClock = Clock & {
	/** Advances the clock. */
	forward(milliseconds: number): void
	/** Stops the clock and its timers, as a suspended machine does. */
	suspend(): void
	/** Continues. A corrected clock then shows the true time. Timers have stood still either way. */
	wake(isCorrected: boolean): void
}

/** Real milliseconds between two looks at the time, and the most that one look may add. */
const tick = 2
const usualTick = 6
let longestTick = usualTick
let canLeap = true

let passed = 0
let lookedAt = performance.now()

/**
 * Real milliseconds in which this process could work. Other programs on a busy machine may stop it for a while. That while
 * does not count, or a request would seem to have waited for minutes.
 */
function working(): number {
	const now = performance.now()
	passed += Math.min(now - lookedAt, longestTick)
	lookedAt = now
	return passed
}

/**
 * From now on, all time counts, until the returned function is called. Processes that compare times need clocks of the same
 * speed.
 */
export function countAllTime(): () => void {
	longestTick = Number.POSITIVE_INFINITY
	canLeap = false
	return () => {
		longestTick = usualTick
		canLeap = true
	}
}

/** From now on, the time of this process passes no faster while it is idle: it waits for another process. */
export function neverLeap(): void {
	canLeap = false
}

type Timer = {
	readonly run: () => void
	due: number
	timer: NodeJS.Timeout | undefined
	/** Real milliseconds until the timer runs. */
	left(): number
	/** Starts the timer again, after its clock has leapt. */
	set(): void
}

/** The timers of all clocks, without those of suspended clocks. */
const armed = new Set<Timer>()

/** What a process has while it waits for events alone. A child process or a request to the system is work in progress. */
const quiet = new Set(['MessagePort', 'PipeWrap', 'TCPServerWrap', 'TCPSocketWrap', 'TLSWrap', 'Timeout', 'TTYWrap'])
/** Looks at an idle process before its clocks leap. */
const patience = 4
/** Microseconds of all threads between two looks. A process that used more was not idle: it may compress a body. */
const mostIdle = 1000

let idleLooks = 0
let used = 0

/**
 * Lets the time of an idle process pass faster, the longer the process has been idle, up to the next timer. All messages
 * of the tests come from this process. If it has nothing to do, only a timer can give it something.
 */
function look(): void {
	working()
	idleLooks = isIdle() ? idleLooks + 1 : 0
	if (idleLooks <= patience) return
	const next = Math.min(...[...armed].map((entry) => entry.left()))
	if (!Number.isFinite(next)) return
	passed += Math.max(0, Math.min(next, idleLooks * tick))
	if (next <= idleLooks * tick) idleLooks = 0
	for (const entry of [...armed]) entry.set()
}
setInterval(look, tick).unref()

function isIdle(): boolean {
	const { user, system } = process.cpuUsage()
	const isQuiet = canLeap && user + system - used < mostIdle
	used = user + system
	return isQuiet && process.getActiveResourcesInfo().every((name) => quiet.has(name))
}

/**
 * A clock that runs `factor` times as fast as the time in which this process can work, and faster while the process is
 * idle.
 */
export function scaledClock(factor: number, start = Date.now()): ScaledClock {
	const origin = working()
	const waiting = new Set<Timer>()
	let ahead = 0
	let suspendedAt: number | undefined
	const running = () => start + ahead + (working() - origin) * factor
	const now = () => suspendedAt ?? running()
	const left = (entry: Timer) => Math.max(0, (entry.due - now()) / factor)
	const remove = (entry: Timer) => {
		clearTimeout(entry.timer)
		armed.delete(entry)
		waiting.delete(entry)
	}
	const set = (entry: Timer) => {
		clearTimeout(entry.timer)
		armed.delete(entry)
		if (suspendedAt !== undefined) return
		armed.add(entry)
		entry.timer = setTimeout(() => {
			if (now() < entry.due) return set(entry)
			remove(entry)
			entry.run()
		}, left(entry))
	}
	return {
		now,
		after: (milliseconds, run) => {
			const entry: Timer = {
				due: now() + milliseconds,
				run,
				timer: undefined,
				left: () => left(entry),
				set: () => set(entry),
			}
			waiting.add(entry)
			set(entry)
			return () => remove(entry)
		},
		forward: (milliseconds) => {
			ahead += milliseconds
			for (const entry of waiting) set(entry)
		},
		suspend: () => {
			suspendedAt = now()
			for (const entry of waiting) set(entry)
		},
		wake: (isCorrected) => {
			const missed = running() - now()
			suspendedAt = undefined
			if (isCorrected) for (const entry of waiting) entry.due += missed
			else ahead -= missed
			for (const entry of waiting) set(entry)
		},
	}
}
