import { constants } from 'node:fs'
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../shared/cli/usage-error.ts'
import type { Config } from './config.ts'
import { briefly, type Log } from './log.ts'

/** One forwarded request, without ids, filters, bodies and tokens. */
export type AuditEntry = {
	/** When the request was sent to the SCIM server, in milliseconds since 1970. */
	readonly at: number
	readonly method: string
	/** Path and query below the root of the SCIM server. Only its template is written. */
	readonly target: string
	readonly status: number
	/** Why the agent answered instead of the SCIM server. */
	readonly error?: string | undefined
	/** The SCIM server answered after its time. An earlier line has the request, too. */
	readonly isLate?: boolean
	readonly requestId: string | undefined
}

export type AuditLog = {
	/** Writes a line soon. Returns at once and never throws. */
	record(entry: AuditEntry): void
	/** Resolves when all lines are written or lost. */
	written(): Promise<void>
}

type AuditOptions = NonNullable<Config['audit']>

const capacity = 10_000
/** A thousand lines are shorter than the smallest file. */
const batch = 1000
const idLimit = 100

/** After a reload, two agents of this process may write to one file. They take turns, so that only one of them rotates it. */
const turns = new Map<string, Promise<void>>()

/**
 * Appends lines of JSON to a file and rotates it by size. If the settings name servers, a line has the name. A failure is
 * logged once, until a line is written again.
 */
export function auditLog(options: AuditOptions, log: Log, server?: string): AuditLog {
	const pending: string[] = []
	let lost = 0
	let writing: Promise<void> | undefined

	function lose(count: number, detail: string): void {
		if (lost === 0) log('audit_failed', { detail })
		lost += count
	}

	async function write(): Promise<void> {
		while (pending.length > 0) {
			const lines = pending.splice(0, batch)
			try {
				await append(options, Buffer.from(lines.join('')))
				if (lost > 0) log('audit_resumed', { lost })
				lost = 0
			} catch (error) {
				lose(lines.length, briefly(error))
			}
		}
		writing = undefined
	}

	return {
		record: (entry) => {
			if (pending.length >= capacity) return lose(1, `${capacity} lines are waiting for the disk`)
			pending.push(`${JSON.stringify(lineOf(entry, server))}\n`)
			if (writing !== undefined) return
			writing = (turns.get(options.file) ?? Promise.resolve()).then(write)
			turns.set(options.file, writing)
		},
		written: async () => {
			while (writing !== undefined) await writing
		},
	}
}

const lineOf = ({ at, method, target, status, error, isLate, requestId }: AuditEntry, server: string | undefined) => ({
	time: new Date(at).toISOString(),
	...(server !== undefined && { server }),
	method,
	path: templateOf(target),
	status,
	...(error !== undefined && { error }),
	...(isLate && { late: true }),
	requestId: requestId?.slice(0, idLimit),
})

/**
 * The path with its ids replaced, because ids are personal data.
 * @example templateOf('/Users/2819c223?attributes=userName') // '/Users/{id}'
 */
export function templateOf(target: string): string {
	const [path = ''] = target.split('?', 1)
	const [endpoint = '', id, ...deeper] = path.replace(/^\//, '').replace(/\/$/, '').split('/')
	const name = /^(\.?[A-Za-z]\w{0,39})?$/.test(endpoint) ? endpoint : '{endpoint}'
	const rest = id === undefined ? '' : `/${id === '.search' ? id : '{id}'}`
	return `/${name}${rest}${deeper.length > 0 ? '/{more}' : ''}`
}

async function append({ file, megabytes, keep }: AuditOptions, lines: Buffer): Promise<void> {
	const size = await sizeOf(file)
	if (size > 0 && size + lines.length > megabytes * 2 ** 20) await rotate(file, keep)
	const handle = await open(file, flags, 0o600)
	try {
		await appendTo(handle, lines)
	} finally {
		await handle.close()
	}
}

/** A link could lead to another file, and opening a pipe could wait for its reader. Windows has no such flags. */
const flags =
	constants.O_WRONLY |
	constants.O_APPEND |
	constants.O_CREAT |
	(constants.O_NOFOLLOW ?? 0) |
	(constants.O_NONBLOCK ?? 0)

async function appendTo(handle: FileHandle, lines: Buffer): Promise<void> {
	const found = await handle.stat()
	if (!found.isFile()) throw new Error('audit.file is not a regular file')
	if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) await handle.chmod(0o600)
	try {
		await handle.appendFile(lines)
	} catch (error) {
		// A full disk may have taken half a line.
		await handle.truncate(found.size).catch(() => undefined)
		throw error
	}
}

async function sizeOf(file: string): Promise<number> {
	const found = await unlessMissing(stat(file))
	return found?.size ?? 0
}

/** `audit.log` becomes `audit.log.1`, which becomes `audit.log.2`. Files beyond `keep` are removed. */
async function rotate(file: string, keep: number): Promise<void> {
	for (let number = keep; number >= 1; number--)
		await unlessMissing(rename(number === 1 ? file : `${file}.${number - 1}`, `${file}.${number}`))
	const prefix = `${basename(file)}.`
	for (const name of await readdir(dirname(file))) {
		const suffix = name.startsWith(prefix) ? name.slice(prefix.length) : ''
		if (/^\d{1,3}$/.test(suffix) && Number(suffix) > keep) await rm(join(dirname(file), name))
	}
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
	try {
		return await work
	} catch (error) {
		if (codeOf(error) === 'ENOENT') return undefined
		throw error
	}
}
