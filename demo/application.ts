import { open, readFile, rename } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import * as z from 'zod'

// A complete application that reads: it keeps a small database in step with a tenant. docs/application.md explains it.
//
//   URL=https://… TOKEN=… node dist/demo/application.js FILE [--once]
//
// The database is a JSON file that is replaced as a whole, together with the cursor. So the application may die at any
// moment: it asks for the same changes again, and to apply a change twice does no harm.

const database = z.object({
	/** Where to go on; '' to begin with everybody. */
	cursor: z.string(),
	/** During a snapshot: what the database had before, and what the snapshot has not named yet. */
	unseen: z.array(z.string()).optional(),
	users: z.record(z.string(), z.object({ userName: z.string(), active: z.boolean() })),
	groups: z.record(z.string(), z.object({ displayName: z.string(), members: z.array(z.string()) })),
})
type PeopleDatabase = z.infer<typeof database>

const ids = z.array(z.string()).default([])
const toldChange = z.object({
	operation: z.enum(['create', 'update', 'delete']),
	resourceType: z.enum(['User', 'Group']),
	resourceId: z.string(),
	attributes: z.array(z.string()).optional(),
	addedMembers: ids,
	removedMembers: ids,
})
type ToldChange = z.infer<typeof toldChange>

const toldPage = z.object({
	snapshot: z.boolean().default(false),
	nextCursor: z.string(),
	changes: z.array(toldChange),
})
const scimError = z.object({ scimType: z.string().optional(), detail: z.string().optional() })
// A user without `active: true` is inactive.
const scimUser = z.object({ userName: z.string(), active: z.boolean().default(false) })
const scimGroup = z.object({ displayName: z.string(), members: z.array(z.object({ value: z.string() })).default([]) })

const { URL: url = '', TOKEN: token = '' } = process.env
const [file = 'people.json', mode] = process.argv.slice(2)

for (let isDone = false; !isDone; ) {
	try {
		const isNew = await readOn(await load())
		isDone = !isNew && mode === '--once'
		if (!isNew && !isDone) await pause(1000)
	} catch (error) {
		// An outage, a limit, a wrong token: nothing is known, so the database stays as it is.
		console.error(`error: ${error instanceof Error ? error.message : error}`)
		await pause(1000)
	}
}

/** Applies the next changes. Answers whether there may be more of them. */
async function readOn(db: PeopleDatabase): Promise<boolean> {
	const query = new URLSearchParams({ snapshot: 'true', count: '100', cursor: db.cursor })
	const { status, body } = await get(`/Changes?${query}`)
	if (status === 400 && /^(expired|invalid)Cursor$/.test(scimError.parse(body).scimType ?? '')) {
		await save({ ...db, cursor: '' })
		return true
	}
	const { snapshot, nextCursor, changes } = toldPage.parse(required(status, body))
	const isEnd = !snapshot && db.unseen !== undefined
	const isNew = changes.length > 0 || nextCursor !== db.cursor || isEnd
	if (db.cursor === '') {
		if (!snapshot) throw new Error('this Rollcall has no snapshots: upgrade it')
		db.unseen = [...Object.keys(db.users), ...Object.keys(db.groups)]
	}
	for (const change of changes) await apply(db, change)
	const told = new Set(changes.map(({ resourceId }) => resourceId))
	db.unseen = db.unseen?.filter((id) => !told.has(id))
	// The snapshot is over: what it has not named is gone.
	if (isEnd) {
		for (const id of db.unseen ?? []) forget(db, id)
		delete db.unseen
	}
	if (isNew) await save({ ...db, cursor: nextCursor })
	return isNew
}

/** What to do on each entry: a user is read anew. So is a group, unless the entry lists the members that changed. */
async function apply(db: PeopleDatabase, change: ToldChange): Promise<void> {
	const { operation, resourceType, resourceId: id, attributes, addedMembers, removedMembers } = change
	if (operation === 'delete') return forget(db, id)
	if (resourceType === 'User') return readUser(db, id)
	const group = db.groups[id]
	if (operation === 'create' || group === undefined || attributes !== undefined) await readGroup(db, id)
	else
		group.members = [...new Set([...group.members, ...addedMembers])].filter((each) => !removedMembers.includes(each))
}

async function readUser(db: PeopleDatabase, id: string): Promise<void> {
	const { status, body } = await get(`/Users/${id}?attributes=userName,active`)
	// The user may be deleted by now. A later entry says so.
	if (status === 404) return forget(db, id)
	db.users[id] = scimUser.parse(required(status, body))
}

async function readGroup(db: PeopleDatabase, id: string): Promise<void> {
	const { status, body } = await get(`/Groups/${id}?attributes=displayName,members`)
	if (status === 404) return forget(db, id)
	const { displayName, members } = scimGroup.parse(required(status, body))
	db.groups[id] = { displayName, members: members.map(({ value }) => value) }
}

/** Forgets a user or a group that is gone. */
function forget(db: PeopleDatabase, id: string): void {
	delete db.users[id]
	delete db.groups[id]
	for (const group of Object.values(db.groups)) group.members = group.members.filter((member) => member !== id)
}

async function get(path: string): Promise<{ readonly status: number; readonly body: unknown }> {
	const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } })
	return { status: response.status, body: await response.json() }
}

function required(status: number, body: unknown): unknown {
	if (status !== 200) throw new Error(`${status} ${scimError.safeParse(body).data?.detail ?? ''}`)
	return body
}

async function load(): Promise<PeopleDatabase> {
	try {
		return database.parse(JSON.parse(await readFile(file, 'utf8')))
	} catch (error) {
		if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
			return { cursor: '', users: {}, groups: {} }
		throw error
	}
}

/** Replaces the file as a whole. It has personal data, so only this user of the machine may read it. */
async function save(db: PeopleDatabase): Promise<void> {
	const next = await open(`${file}.next`, 'w', 0o600)
	await next.writeFile(JSON.stringify(db, undefined, '\t'))
	await next.sync()
	await next.close()
	await rename(`${file}.next`, file)
}
