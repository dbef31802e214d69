import { isDeepStrictEqual } from 'node:util'
import { ScimError } from '../../shared/scim/error.ts'
import type { Member, ResourceId } from '../../shared/scim/resource.ts'
import { builtInTypes, type ResourceType, type ResourceTypes } from '../../shared/scim/resource-type.ts'
import { quirksWith } from '../../shared/scim/undeclared.ts'
import { parseResource } from '../../shared/scim/value.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import { inParallel } from '../../shared/storage/table/parallel.ts'
import { typesOf } from '../../shared/tenants/resource-types.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import type { TargetCommand } from '../command.ts'
import { table } from '../table.ts'
import type { DeploymentTarget } from '../target.ts'
import { storeTenantNamed } from '../tenant.ts'
import { importDeclarations } from './declarations.ts'
import { withProgress } from './progress.ts'
import { type ExportRecord, type ReadLine, readRecords } from './records.ts'

/** The result for a record: created now, present before with the same content, or the reason for a conflict. */
type ImportOutcome = 'created' | 'present' | { readonly conflict: string }

type RecordKind = 'User' | 'Group' | 'Membership'
type ImportConflict = { readonly line: number; readonly what: string; readonly detail: string }
type ImportCounts = Record<RecordKind, { created: number; present: number }>

export const importTenant: TargetCommand =
	({ args: [name = '', file = ''], environment }) =>
	async (target) => {
		const tenant = await storeTenantNamed(target, name)
		const notes: string[] = []
		const tally: ImportCounts = {
			User: { created: 0, present: 0 },
			Group: { created: 0, present: 0 },
			Membership: { created: 0, present: 0 },
		}
		const conflicts: ImportConflict[] = []
		let isWhole = false
		let importBatch = importer(directoryOf(target, tenant))
		await withProgress(environment, async (show) => {
			for await (const lines of batches(readRecords(file))) {
				for (const { number, record } of lines) {
					if (record.type !== 'Export') continue
					const declared = await importDeclarations(target, tenant, record)
					importBatch = importer(directoryOf(target, declared.tenant))
					notes.push(...declared.notes)
					conflicts.push(...declared.conflicts.map((conflict) => ({ line: number, ...conflict })))
				}
				for (const { line, kind, what, outcome } of await importBatch(lines)) {
					if (typeof outcome === 'string') tally[kind][outcome]++
					else conflicts.push({ line, what, detail: outcome.conflict })
				}
				isWhole ||= lines.some(({ record }) => record.type === 'End')
				const last = lines.at(-1)
				if (last !== undefined) show(last.done, `line ${last.number.toLocaleString('en')}`)
			}
		})
		return {
			text: [
				...notes,
				summary(tally),
				...conflicts.map(inWords),
				...(isWhole ? [] : [`${file} is incomplete: its last line is missing.`]),
			].join('\n'),
			json: {
				name,
				users: tally.User,
				groups: tally.Group,
				memberships: tally.Membership,
				conflicts,
				isWhole,
				...(notes.length > 0 && { notes }),
			},
			isFailure: conflicts.length > 0 || !isWhole,
		}
	}

const summary = ({ User, Group, Membership }: ImportCounts): string =>
	table(
		Object.entries({ Users: User, Groups: Group, Memberships: Membership }).map(([what, { created, present }]) => [
			what,
			`${created.toLocaleString('en')} created`,
			`${present.toLocaleString('en')} already present`,
		]),
	)

const inWords = ({ line, what, detail }: ImportConflict): string => `conflict in line ${line}, ${what}: ${detail}`

/** Batches records of one kind, and memberships of one group. A batch has no record twice. */
async function* batches(lines: AsyncIterable<ReadLine>): AsyncGenerator<readonly ReadLine[]> {
	let batch = new Map<string, ReadLine>()
	let group = ''
	let bytes = 0
	for await (const line of lines) {
		const [next, id] = batchKeyOf(line.record)
		if (batch.size === batchSize || bytes > batchBytes || next !== group || batch.has(id)) {
			yield [...batch.values()]
			batch = new Map()
			bytes = 0
		}
		batch.set(id, line)
		bytes += line.size
		group = next
	}
	yield [...batch.values()]
}

const batchSize = 200
/** Bytes of the lines of a batch; the last line may exceed them. */
const batchBytes = 4 * 2 ** 20

/** The batch that a record belongs to, and its id within the batch. */
function batchKeyOf(record: ExportRecord): readonly [group: string, id: string] {
	if (record.type === 'Membership') return [record.group, record.member]
	return [record.type, 'id' in record ? record.id : '']
}

type ImportResult = {
	readonly line: number
	readonly kind: RecordKind
	readonly what: string
	readonly outcome: ImportOutcome
}

/** The directory that an import fills, and the resource types of its tenant. */
type ImportedDirectory = { readonly store: ResourceStore; readonly types: ResourceTypes }

const directoryOf = (target: DeploymentTarget, tenant: Tenant): ImportedDirectory => ({
	store: target.open(tenant),
	types: typesOf(tenant),
})

/** Imports one batch after another. It remembers the members of the current group. */
function importer(directory: ImportedDirectory): (lines: readonly ReadLine[]) => Promise<readonly ImportResult[]> {
	const { store, types } = directory
	const importMembers = memberImporter(directory)
	return async (lines) => {
		const imported = await inParallel(lines, async ({ number: line, record }): Promise<readonly ImportResult[]> => {
			if (record.type !== 'User' && record.type !== 'Group') return []
			const outcome = await importResource(store, types[record.type], record)
			return [{ line, kind: record.type, what: `${record.type} ${record.id}`, outcome }]
		})
		const memberships = lines.flatMap(({ number: line, record }) =>
			record.type === 'Membership' ? [{ line, record }] : [],
		)
		const [first] = memberships
		if (first === undefined) return imported.flat()
		const { group } = first.record
		const members = memberships.map(({ record: { member, display } }) => ({
			value: member,
			...(display !== undefined && { display }),
		}))
		const outcomes = await importMembers(group, members)
		return memberships.map(({ line, record: { member } }) => ({
			line,
			kind: 'Membership' as const,
			what: `Membership of ${member} in ${group}`,
			outcome: outcomes.get(member) ?? 'present',
		}))
	}
}

type ResourceRecord = { readonly id: ResourceId; readonly attributes: Readonly<Record<string, unknown>> }

async function importResource(
	store: ResourceStore,
	type: ResourceType,
	{ id, attributes }: ResourceRecord,
): Promise<ImportOutcome> {
	return orConflict(async () => {
		// What the tenant's own schemas declare, and what none declares, is stored as it was when it was exported.
		const parsed = parseResource(builtInTypes[type.name], attributes, quirksWith('keep', true))
		const present = await store.get(type, id)
		if (present === undefined) {
			await store.create(type, { id, attributes: parsed })
			return 'created'
		}
		const names = [...new Set([...Object.keys(present.attributes), ...Object.keys(parsed)])]
		const different = names.filter((name) => !isDeepStrictEqual(present.attributes[name], parsed[name]))
		return different.length === 0
			? 'present'
			: { conflict: `it already exists with a different ${different.join(', ')}` }
	})
}

/** A refusal of the directory is a conflict. A directory that cannot be reached stops the import. */
async function orConflict(work: () => Promise<ImportOutcome>): Promise<ImportOutcome> {
	try {
		return await work()
	} catch (error) {
		if (error instanceof ScimError && error.status < 500) return { conflict: error.message }
		throw error
	}
}

type MemberImporter = (group: ResourceId, members: readonly Member[]) => Promise<ReadonlyMap<ResourceId, ImportOutcome>>

function memberImporter({ store, types }: ImportedDirectory): MemberImporter {
	let current: { readonly group: ResourceId; readonly present: Set<ResourceId> | undefined } | undefined
	return async (group, members) => {
		if (current?.group !== group) {
			const stored = await store.get(types.Group, group, { members: true })
			current = { group, present: stored && new Set(stored.members?.map(({ value }) => value)) }
		}
		const { present } = current
		if (present === undefined) return outcomesFor(members, { conflict: 'there is no such group' })
		const missing = members.filter(({ value }) => !present.has(value))
		if (missing.length === 0) return new Map()
		const outcomes = await addMembers({ store, types }, group, missing)
		for (const [member, outcome] of outcomes) if (outcome === 'created') present.add(member)
		return outcomes
	}
}

const outcomesFor = (members: readonly Member[], outcome: ImportOutcome): ReadonlyMap<ResourceId, ImportOutcome> =>
	new Map(members.map(({ value }) => [value, outcome]))

async function addMembers(
	{ store, types }: ImportedDirectory,
	group: ResourceId,
	members: readonly Member[],
): Promise<ReadonlyMap<ResourceId, ImportOutcome>> {
	const add = async (added: readonly Member[]) => {
		const changed = await store.changeMembers(group, { add: added, remove: [] })
		return outcomesFor(added, changed === 'absent' ? { conflict: 'there is no such group' } : 'created')
	}
	try {
		return await add(members)
	} catch (error) {
		if (!(error instanceof ScimError && error.scimType === 'invalidValue')) throw error
		// One unknown user makes the whole change fail.
		const exists = await inParallel(members, async ({ value }) => (await store.get(types.User, value)) !== undefined)
		const users = members.filter((_, index) => exists[index])
		const unknown = members.filter((_, index) => !exists[index])
		return new Map([
			...outcomesFor(unknown, { conflict: 'there is no such user' }),
			...(users.length > 0 ? await add(users) : []),
		])
	}
}
