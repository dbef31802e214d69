import { Fault } from '../fault.ts'
import { foldCase } from '../scim/fold-case.ts'
import { kindOfId, timeOfId } from '../scim/id.ts'
import type { Actor, Directory } from './rows/directory.ts'
import { encode } from './rows/keys.ts'
import { lastPartOf, otherRefusals, refusalRow } from './rows/schema.ts'
import { upsert } from './table/batch.ts'
import { within } from './table/key-range.ts'
import type { Row, Table } from './table/tables.ts'
import { removeRows } from './transaction/remove-rows.ts'

/** A request that writes and was refused. */
export type Refusal = Actor & {
	/** The id in the path; undefined if the request names no resource. */
	readonly resourceId?: string
	/** The userName, displayName or externalId in the body. */
	readonly name?: string
	readonly method: string
	/** The template of the path, such as `/Users/{id}`. */
	readonly path: string
	readonly status: number
	readonly scimType?: string
	readonly sentence: string
}

/** Refusals that are alike: of one sentence, to one credential, about one subject. The rest is that of the last one. */
export type RefusalCount = Refusal & {
	/** The operation that names the row. */
	readonly operation: string
	readonly count: number
	/** Milliseconds since 1970. */
	readonly first: number
	/** Milliseconds since 1970. */
	readonly last: number
	/** Set for a row that counts refusals of all kinds, beyond the refusals that have rows of their own. */
	readonly isOthers?: true
}

/** A subject as a part of a key: the id of a resource, or the value of a name. */
export function subjectOf({ resourceId, name }: Pick<Refusal, 'resourceId' | 'name'>): string {
	if (resourceId !== undefined && kindOfId(resourceId) !== undefined) return resourceId
	const value = name ?? resourceId
	return value === undefined ? '=' : `=${encode(foldCase(value))}`
}

/**
 * Stores how many refusals there were, in one transaction. Writing the same counts twice changes nothing.
 *
 * @param counts up to 100
 * @throws Fault if they are not known to be stored
 */
export async function storeRefusals(table: Table, counts: readonly RefusalCount[]): Promise<void> {
	const outcome = await table.transaction(
		counts.map((count) =>
			upsert(refusalRow.key(count.isOthers ? otherRefusals : subjectOf(count), count.operation), propertiesOf(count)),
		),
	)
	if (outcome.kind !== 'done') throw new Fault(`refusals were not stored: ${outcome.kind}`)
}

const propertiesOf = ({ credential, first, last, operation, resourceId, ...rest }: RefusalCount) =>
	refusalRow.properties({
		...rest,
		// An id that no resource can have is not in the key.
		name: rest.name ?? (kindOfId(resourceId ?? '') === undefined ? resourceId : undefined),
		credential: credential?.id,
		label: credential?.label,
		first: new Date(first).toISOString(),
		last: new Date(last).toISOString(),
	})

/** All refusals whose last time is not before `since`, in milliseconds since 1970; page by page, in the order of subjects. */
export async function* refusalsSince(table: Table, since: number): AsyncGenerator<readonly RefusalCount[]> {
	const { stored } = refusalRow.last
	const where = [{ property: stored, operator: 'ge', value: new Date(since).toISOString() }] as const
	for await (const rows of table.pages({ ...within(refusalRow.key('', '').slice(0, -1)), where }))
		yield rows.map(refusalIn)
}

/** The refusals about a subject. */
export async function refusalsAbout(table: Table, subject: string): Promise<readonly RefusalCount[]> {
	const found: RefusalCount[] = []
	for await (const rows of table.pages(within(refusalRow.key(subject, '')))) found.push(...rows.map(refusalIn))
	return found
}

/** The keys of the refusals about some subjects. */
export async function refusalKeysAbout(table: Table, subjects: readonly string[]): Promise<readonly string[]> {
	const keys: string[] = []
	for (const subject of new Set(subjects)) {
		const range = { ...within(refusalRow.key(subject, '')), select: ['RowKey'] }
		for await (const rows of table.pages(range)) keys.push(...rows.map(({ RowKey }) => RowKey))
	}
	return keys
}

function refusalIn(row: Row): RefusalCount {
	const { name, method, path, status, scimType, sentence, credential, label, client, requestId } = refusalRow
	const [, subject = ''] = row.RowKey.split('|')
	const id = credential.of(row)
	return {
		operation: lastPartOf(row.RowKey),
		...(kindOfId(subject) !== undefined && { resourceId: subject }),
		...optional('name', name.of(row)),
		method: method.of(row),
		path: path.of(row),
		status: status.of(row),
		...optional('scimType', scimType.of(row)),
		sentence: sentence.of(row),
		...(id !== undefined && { credential: { id, ...optional('label', label.of(row)) } }),
		...optional('client', client.of(row) as Actor['client']), // sound: written from an actor
		...optional('requestId', requestId.of(row)),
		count: refusalRow.count.of(row),
		first: Date.parse(refusalRow.first.of(row)),
		last: Date.parse(refusalRow.last.of(row)),
		...(subject === otherRefusals && { isOthers: true }),
	}
}

const optional = <K extends string, V>(name: K, value: V | undefined): { readonly [N in K]?: V } =>
	value === undefined ? {} : ({ [name]: value } as { readonly [N in K]: V }) // sound: the one name

/** The hour, in UTC, in which sweeps look for what is old: that takes a request for each thousand rows. */
const trimHour = 3

export const isTrimHour = (time: number): boolean => new Date(time).getUTCHours() === trimHour

/**
 * Removes refusals that are older than the feed is kept. A row counts refusals of one day at most.
 *
 * @param until milliseconds since 1970 at which to stop
 */
export async function trimRefusals(directory: Directory, until: number): Promise<void> {
	const { table, now, keepFeedFor } = directory
	if (!isTrimHour(now())) return
	const all = { ...within(refusalRow.key('', '').slice(0, -1)), select: ['RowKey'] }
	for await (const rows of table.pages(all)) {
		if (now() >= until) return
		const old = rows.filter(({ RowKey }) => timeOfId(lastPartOf(RowKey)) < now() - keepFeedFor)
		await removeRows(
			directory,
			old.map(({ RowKey }) => RowKey),
		)
	}
}
