import * as z from 'zod'
import { unavailable } from '../scim/error.ts'
import type { Pause } from '../storage/table/retry.ts'
import type { Row, Table } from '../storage/table/tables.ts'

// The format of a tenant's data is a number in the tenant's row: which kinds of rows its directory may have, and how they
// are written. It changes while requests are served, and while instances of the version before serve beside new ones.
//
// The rule of two releases: a release can read and write a format before the next release raises tenants to it. So the
// instances of two neighbouring releases serve side by side, and the newer one can be rolled back.
//
// An instance keeps a tenant's row for up to a minute. So it learns of a new stage at most a minute late, and a request
// that it has begun by then may run for three more (`functionTimeout` in host.json). For that time two neighbouring
// stages are at work at once, and no stage may begin before the one before the last has ended everywhere:
//
// | Stage     | Rows that may be there | A writer writes | A reader takes | It ends when                                  |
// |-----------|------------------------|-----------------|----------------|-----------------------------------------------|
// | complete  | format n               | n               | n              | a release that raises to n + 1 runs           |
// | announced | format n               | n               | n and n + 1    | all apps that do not know n + 1 answer 503    |
// | written   | formats n and n + 1    | n + 1           | n and n + 1    | nobody writes n any more, and all is converted |
// | complete  | format n + 1           | n + 1           | n + 1          |                                               |
//
// `announced` is there for the apps that are two releases old: they stop before the first row that they cannot read.
// In `written` the first wait is for the writers that still know `announced`. A conversion that began sooner would pass
// a key, and such a writer would put a row of format n behind it: that row would never be converted.
//
// To add a format:
// 1. Raise `newest` in one release. Its code decides by `writtenFormat` what it writes, and reads both formats.
//    `Services.open` keeps one directory for each table: a directory that depends on the format needs it there as well.
// 2. Raise `target` in the next release, with a step that converts. `docs/operations.md` has a row for each release.

/** How far a tenant's change of format is. `unnumbered` tenants were made before there were numbers; `unknown` is damage. */
export type FormatStage = 'unnumbered' | 'complete' | 'announced' | 'written' | 'unknown'

/** What a tenant's row says of the format of its data. */
export type TenantFormat = {
	/** 0 if the row has something else than a positive whole number. */
	readonly number: number
	readonly stage: FormatStage
	/** When the stage began, in milliseconds since 1970, by the clock of the app that began it; 0 if it was always there. */
	readonly since: number
	/** How far the conversion has come, in the step's own words; empty at its beginning. */
	readonly position: string
}

/** The change of a tenant's rows to a format from the one before it. */
export type FormatStep = {
	readonly to: number
	/**
	 * Converts rows from where an earlier call has stopped, and answers where it stopped itself; undefined when all rows are
	 * converted. It stops by itself at `until`.
	 *
	 * It runs beside requests, beside itself, and again from an earlier position if a process died: each write needs the
	 * ETag of what was read, and a row that is converted is left as it is. Writers of the format before may have written
	 * until it began, also into rows that writers of the new format had made: it mends those too.
	 */
	convert(conversion: Conversion): Promise<string | undefined>
}

export type Conversion = {
	/** The tenant's directory. */
	readonly table: Table
	readonly pause: Pause
	/** Empty, or what an earlier call has answered. */
	readonly position: string
	/** Milliseconds since 1970. */
	readonly now: () => number
	readonly until: number
}

/** What an app can do with formats. */
export type Formats = {
	/** The newest format that it reads and writes. */
	readonly newest: number
	/** The format that its sweep raises tenants to, and that it makes new ones with. */
	readonly target: number
	/** One for each format from 2 up to `target`. */
	readonly steps: readonly FormatStep[]
}

/** The formats of this version. */
export const formats: Formats = { newest: 1, target: 1, steps: [] }

/** The format in which rows of a tenant are to be written. */
export const writtenFormat = ({ number, stage }: TenantFormat): number => (stage === 'announced' ? number - 1 : number)

const retryAfterSeconds = 60

/**
 * Refuses a tenant whose data this app may read wrongly.
 *
 * @throws ScimError 503
 */
export function requireKnownFormat(format: TenantFormat): void {
	const problem = formatProblem(format)
	if (problem !== undefined) throw unavailable(problem, retryAfterSeconds)
}

/** Why an app cannot serve a tenant with this format, and what to do; undefined if it can. */
export function formatProblem({ number, stage }: TenantFormat, newest = formats.newest): string | undefined {
	if (number > newest) {
		return `This tenant's data has format ${number}; this version of Rollcall reads formats up to ${newest}. Deploy a version of Rollcall that reads format ${number}.`
	}
	if (stage !== 'unknown') return undefined
	return "The format number of this tenant's data is damaged. Put the properties format, formatStage and formatSince of its row in the table tenants right."
}

const formatColumns = z.object({
	formatStage: z.enum(['', 'announced', 'written']).default(''),
	formatSince: z.union([z.literal(''), z.iso.datetime()]).default(''),
	formatPosition: z.string().default(''),
})

/** Reads the format in a tenant's row. It never fails, so that one damaged row does not hide the other tenants. */
export function formatOf(row: Row): TenantFormat {
	const number = row.format === undefined ? 1 : numberOf(row.format)
	const columns = formatColumns.safeParse(row)
	if (number === 0 || !columns.success) return { number, stage: 'unknown', since: 0, position: '' }
	const { formatStage, formatSince, formatPosition } = columns.data
	return {
		number,
		stage: row.format === undefined ? 'unnumbered' : formatStage === '' ? 'complete' : formatStage,
		since: formatSince === '' ? 0 : Date.parse(formatSince),
		position: formatPosition,
	}
}

const numberOf = (value: unknown): number =>
	typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0

/** The properties of a tenant's row that say its format. */
export const formatProperties = ({ number, stage, since, position }: TenantFormat) => ({
	format: number,
	formatStage: stage === 'complete' ? '' : stage,
	formatSince: since === 0 ? '' : new Date(since).toISOString(),
	formatPosition: position,
})
