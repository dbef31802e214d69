import { type FileHandle, open } from 'node:fs/promises'
import * as z from 'zod'
import { fileReason } from '../../shared/cli/file-reason.ts'
import { kindOfId } from '../../shared/scim/id.ts'
import type { ResourceId } from '../../shared/scim/resource.ts'
import type { ResourceType } from '../../shared/scim/resource-type.ts'
import { firstProblem, wording } from '../../shared/scim/wording.ts'
import { Failure } from '../failure.ts'

const idOf = (kind: ResourceType['name']) =>
	z.custom<ResourceId>((value) => typeof value === 'string' && kindOfId(value) === kind, `is not the id of a ${kind}`)

const resource = {
	attributes: z.record(z.string(), z.unknown()),
	/** Only informative: an import sets both times to the time of the import. */
	created: z.string(),
	lastModified: z.string(),
}

const recordSchema = z.discriminatedUnion('type', [
	z.strictObject({
		type: z.literal('Export'),
		format: z.literal(1),
		tenant: z.string(),
		/** The table of the tenant. It differs from the table of an earlier tenant of the same name, whose export must not be continued. */
		table: z.string().optional(),
		/** The time at which the export began. */
		exported: z.string(),
		/** The settings of the tenant as they are stored. */
		settings: z.record(z.string(), z.unknown()).optional(),
		/** The schemas that the tenant declares. */
		schemas: z.array(z.unknown()).optional(),
		/** The paths of the indexes of the tenant's own. */
		indexes: z.array(z.strictObject({ path: z.string(), unique: z.boolean() })).optional(),
	}),
	z.strictObject({ type: z.literal('User'), id: idOf('User'), ...resource }),
	z.strictObject({ type: z.literal('Group'), id: idOf('Group'), ...resource }),
	z.strictObject({
		type: z.literal('Membership'),
		group: idOf('Group'),
		member: idOf('User'),
		display: z.string().optional(),
	}),
	z.strictObject({ type: z.literal('End'), users: z.int(), groups: z.int(), memberships: z.int() }),
])

/**
 * One line of an export. The first line is `Export`. Users, groups and memberships follow in this order; the memberships of
 * one group are together. The last line is `End`. A file without it is incomplete.
 *
 * @example {"type":"Membership","group":"…","member":"…"}
 */
export type ExportRecord = z.infer<typeof recordSchema>

export type ExportCounts = { readonly users: number; readonly groups: number; readonly memberships: number }

/** A line of an export file: its number, its bytes, and the offset of the first byte after it. */
export type ExportLine = {
	readonly number: number
	readonly record: ExportRecord
	readonly size: number
	readonly end: number
}

type RecordSource = {
	/** The name of the file, for messages. */
	readonly name: string
	/** The hint for a line that is not one of an export. Lines count from 1. */
	readonly hintAt: (line: number) => string
	/** Whether a last line without a newline counts. It may be incomplete. */
	readonly isLoose: boolean
}

/** @throws Failure for the first line that is not one of an export */
export async function* recordsIn(
	handle: FileHandle,
	{ name, hintAt, isLoose }: RecordSource,
): AsyncGenerator<ExportLine> {
	let number = 0
	for await (const { bytes, end, isEnded } of linesOf(handle)) {
		number++
		if (bytes.length > 0 && (isEnded || isLoose)) {
			yield {
				number,
				record: recordOf(bytes, { at: `${name}:${number}`, hint: hintAt(number) }),
				size: bytes.length,
				end,
			}
		}
	}
}

/** A line of an import. `done` is the part of the file up to its end, from 0 to 1. */
export type ReadLine = ExportLine & { readonly done: number }

/** @throws Failure for a file that cannot be read, and for the first line that is not one of an export */
export async function* readRecords(file: string): AsyncGenerator<ReadLine> {
	const handle = await openFile(file)
	try {
		const { size } = await handle.stat()
		for await (const line of recordsIn(handle, { name: file, hintAt: importHint, isLoose: true })) {
			// A pipe has no size.
			yield { ...line, done: size === 0 ? 0 : line.end / size }
		}
	} finally {
		await handle.close()
	}
}

const exportHint = 'give a file that rollcall export has written'

const importHint = (line: number): string =>
	line === 1 ? exportHint : 'the lines before it are imported; correct the line and import the file again'

type LineBytes = { readonly bytes: Buffer; readonly end: number; readonly isEnded: boolean }

const newline = 0x0a

/** Splits a file into lines. Node's readline also splits at U+2028, which JSON may contain, and gives no offsets. */
async function* linesOf(handle: FileHandle): AsyncGenerator<LineBytes> {
	let rest = Buffer.alloc(0)
	let begin = 0
	for await (const chunk of handle.createReadStream({ autoClose: false })) {
		const bytes = Buffer.concat([rest, chunk])
		let from = 0
		for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, from)) {
			yield { bytes: bytes.subarray(from, at), end: begin + at + 1, isEnded: true }
			from = at + 1
		}
		rest = bytes.subarray(from)
		begin += from
	}
	yield { bytes: rest, end: begin + rest.length, isEnded: false }
}

async function openFile(file: string): Promise<FileHandle> {
	try {
		return await open(file)
	} catch (cause) {
		throw new Failure(`${file} cannot be read: ${fileReason(cause)}`, { hint: exportHint, cause })
	}
}

/** Refuses bytes that are not UTF-8: a broken disk or another encoding must not change names. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

function recordOf(bytes: Buffer, { at, hint }: { readonly at: string; readonly hint: string }): ExportRecord {
	try {
		return recordSchema.parse(JSON.parse(utf8.decode(bytes)), { error: wording })
	} catch (cause) {
		throw new Failure(`${at} is not a line of an export: ${reasonOf(cause)}`, { hint, cause })
	}
}

function reasonOf(error: unknown): string {
	if (error instanceof z.ZodError) return firstProblem(error, 'the line')
	return error instanceof SyntaxError ? 'it is not JSON' : 'it is not UTF-8'
}
