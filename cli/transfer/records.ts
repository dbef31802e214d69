import { type FileHandle, open } from 'node:fs/promises'
import * as z from 'zod'
import { kindOfId } from '../../shared/scim/id.ts'
import type { ResourceId } from '../../shared/scim/resource.ts'
import type { ResourceType } from '../../shared/scim/resource-type.ts'
import { Failure } from '../failure.ts'

const idOf = (kind: ResourceType['name']) =>
	z.custom<ResourceId>((value) => typeof value === 'string' && kindOfId(value) === kind, `is not the id of a ${kind}`)

const resource = {
	attributes: z.record(z.string(), z.unknown()),
	/** For the record: what is imported is created when it is imported. */
	created: z.string(),
	lastModified: z.string(),
}

const recordSchema = z.discriminatedUnion('type', [
	z.strictObject({ type: z.literal('Export'), format: z.literal(1), tenant: z.string(), exported: z.string() }),
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
 * One line of an export. The first one is `Export`; then come users, groups and memberships, those of one group together;
 * the last one is `End`, without which the file is not whole.
 *
 * @example {"type":"Membership","group":"…","member":"…"}
 */
export type ExportRecord = z.infer<typeof recordSchema>

export type Counts = { readonly users: number; readonly groups: number; readonly memberships: number }

/** `done` is how much of the file it ends, from 0 to 1. */
export type Line = { readonly number: number; readonly record: ExportRecord; readonly done: number }

/** @throws Failure for a file that cannot be read, and for the first line that is not one of an export */
export async function* readRecords(file: string): AsyncGenerator<Line> {
	const handle = await openFile(file)
	try {
		const { size } = await handle.stat()
		let [number, read] = [0, 0]
		for await (const text of linesOf(handle)) {
			number++
			read += Buffer.byteLength(text) + 1
			// A pipe has no size.
			if (text !== '') yield { number, record: recordOf(text, `${file}:${number}`), done: size === 0 ? 0 : read / size }
		}
	} finally {
		await handle.close()
	}
}

/** Node's own lines end at U+2028 too, which JSON may hold as it is. */
async function* linesOf(handle: FileHandle): AsyncGenerator<string> {
	let rest = ''
	for await (const chunk of handle.createReadStream({ encoding: 'utf8', autoClose: false })) {
		const lines = `${rest}${chunk}`.split('\n')
		rest = lines.pop() ?? ''
		yield* lines
	}
	yield rest
}

async function openFile(file: string): Promise<FileHandle> {
	try {
		return await open(file)
	} catch (cause) {
		const hint = 'name a file that rollcall export has written'
		throw new Failure(`${file} cannot be read: ${cause instanceof Error ? cause.message : cause}`, { hint, cause })
	}
}

function recordOf(text: string, at: string): ExportRecord {
	try {
		return recordSchema.parse(JSON.parse(text))
	} catch (cause) {
		throw new Failure(`${at} is not a line of an export: ${reasonOf(cause)}`, {
			hint: 'what comes before it is imported; correct the line and import the file again',
			cause,
		})
	}
}

function reasonOf(error: unknown): string {
	if (!(error instanceof z.ZodError)) return error instanceof Error ? error.message : String(error)
	const [issue] = error.issues
	return `${(issue?.path ?? []).map((name) => `${String(name)}: `).join('')}${issue?.message}`
}
