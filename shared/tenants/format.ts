import * as z from 'zod'
import { unavailable } from '../scim/error.ts'
import type { Conversion } from '../storage/conversion.ts'
import { foldKeys } from '../storage/fold-keys.ts'
import type { Properties } from '../storage/table/batch.ts'
import type { Row } from '../storage/table/tables.ts'

// The format of a tenant's data is a number in the tenant's row. It says which rows the directory may have, and how they
// are written. It changes while requests are served, and while instances of the version before still serve.
//
// The rule of two releases: a release can read and write a format before the next release raises tenants to it. So
// instances of two neighbouring releases can serve side by side, and the newer release can be rolled back.
//
// An instance keeps a tenant's row for up to a minute, and a request takes up to three (`functionTimeout` in host.json).
// So for some minutes after a stage has begun, other instances still work by the stage before it. Each stage therefore
// lasts ten minutes at least, and any two neighbouring stages can be at work at once:
//
// | Stage            | Writers write | Rows that may be there | The stage ends when                              |
// |------------------|---------------|------------------------|--------------------------------------------------|
// | n, complete      | n             | n                      | a release runs that raises tenants to n + 1      |
// | n + 1, announced | n             | n                      | every app that does not know n + 1 answers 503   |
// | n + 1, written   | n + 1         | n, n + 1               | no instance writes n, and all rows are converted |
// | n + 1, complete  | n + 1         | n + 1                  |                                                  |
//
// - `announced` protects from apps that are two releases old: they stop before there is a row that they cannot read.
// - In `written`, the conversion waits for instances that still work by `announced`. Without the wait, such an instance
//   could write a row of format n behind the conversion, and that row would never be converted.
// - Readers take rows of both formats in `announced` and `written`: the instance beside them may be a stage ahead.
//
// To add a format:
// 1. Raise `newest` in one release. Its code reads both formats, and writes the one that `writtenFormat` says.
//    `openDirectories` opens another directory when that changes.
// 2. Raise `target` in the next release, and add the step that converts.
// 3. Add each release to the table in docs/operations.md, and its package to test/versions.

/** See the table above. An `unnumbered` tenant was made before there were numbers. `unknown` means that the row is damaged. */
export type FormatStage = 'unnumbered' | 'complete' | 'announced' | 'written' | 'unknown'

/** What a tenant's row says of the format of its data. */
export type TenantFormat = {
	/** 0 if the row has something else than a positive whole number. */
	readonly number: number
	readonly stage: FormatStage
	/** When the stage began, in milliseconds since 1970, by the clock of the app that began it; 0 if it was always there. */
	readonly since: number
	/** How far the conversion has come, as the step has answered it; empty at the beginning. */
	readonly position: string
}

/** The change of a tenant's rows to a format from the one before it. */
export type FormatStep = {
	readonly to: number
	/**
	 * Converts rows, and answers the position at which it stopped at `until`, or undefined when all rows are converted. The
	 * next call goes on from that position.
	 *
	 * Requests run beside it, and so may another conversion of the same tenant. A process may die, and the next one then
	 * begins at an earlier position. So every write carries the ETag of the row that was read, and a converted row stays as
	 * it is. No instance writes the format before any more. One may have done so until just now, and may have changed or
	 * deleted a resource that has a row of the new format: the conversion mends that, too.
	 */
	convert(conversion: Conversion): Promise<string | undefined>
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

/**
 * The formats of this version. In format 2 the feed of changes has epochs, tokens are stored as digests, and names are
 * folded in another way. Only the last one converts rows: the entries of the old feed are those of epoch 0.
 *
 * Format 1 stays as long as a tenant may have it: 0.2.0 can make one, and a tenant is raised in an hour at least. A version
 * that no deployment of 0.2.0 upgrades to directly may leave format 1 out.
 */
export const formats: Formats = { newest: 2, target: 2, steps: [{ to: 2, convert: foldKeys }] }

/**
 * Whether a new token of a tenant may be stored as a digest. An app that does not know format 2 would compare the digest
 * as if it were the token, and would refuse the right token with 401. In format 2 such an app answers 503.
 */
export const isDigestAllowed = (format: TenantFormat): boolean => writtenFormat(format) >= 2

/**
 * How the feed of changes of a tenant is written. Format 2 has epochs. In `announced`, each change already requires that
 * epochs have not begun, because instances that work by `written` begin them.
 */
export function feedOf(format: TenantFormat): 'operations' | 'closing' | 'epochs' {
	if (writtenFormat(format) >= 2) return 'epochs'
	return format.number >= 2 ? 'closing' : 'operations'
}

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

/**
 * The properties of a tenant's row that say its format, and where its directory is.
 *
 * Version 0.1.0 ignores the number of a format, but looks for the directory in the table that `table` names. From format 2
 * on there is no such table, so that 0.1.0 answers 503, and reads and writes nothing wrongly. 0.2.0 reads `directory`.
 */
export const formatProperties = ({ number, stage, since, position }: TenantFormat, directory: string): Properties => ({
	format: number,
	formatStage: stage === 'complete' ? '' : stage,
	formatSince: since === 0 ? '' : new Date(since).toISOString(),
	formatPosition: position,
	...(number >= 2 ? { table: noTable, directory } : { table: directory }),
})

/** No table has this name. */
const noTable = 'needsNewerVersion'
