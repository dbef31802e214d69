import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createServices } from '../../functions/services.ts'
import { startAzurite } from '../../local/azurite.ts'
import { addToken } from '../../shared/auth/file-source.ts'
import { type Bundle, bundle } from '../support/bundle.ts'
import { randomFrom } from '../support/simulator/table-service.ts'

// The sample application and the server are killed at random, between some hundred changes. `SEED=17 npx vitest run
// test/demo/application.test.ts` repeats the changes and the kills; the operating system still decides what is under way.

let programs: { readonly application: Bundle; readonly server: Bundle }
const closing: (() => unknown)[] = []

beforeAll(async () => {
	const [application, server] = await Promise.all([
		bundle('demo/application.ts'),
		bundle('test/demo/server-process.ts'),
	])
	programs = { application, server }
	closing.push(application.remove, server.remove)
})
afterAll(async () => {
	for (const close of closing.reverse()) await close()
})

async function kill(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return
	const ended = once(child, 'exit')
	child.kill('SIGKILL')
	await ended
}

/** A tenant on a server of its own process. The table service and its data outlive the server. */
async function newDeployment(format: number) {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-application-'))
	const azurite = await startAzurite({ memory: true })
	closing.push(() => rm(folder, { recursive: true }))
	closing.push(() => azurite.close())
	const { connectionString } = azurite
	const tokens = join(folder, 'tokens.json')
	const created = new Date().toISOString()
	await addToken(tokens, 'acme', { value: 'a-token-that-writes', created })
	await addToken(tokens, 'acme', { value: 'a-token-that-reads', created, scope: 'scim.read' })
	const { tenants } = await createServices({ tables: { connectionString }, tokens: { file: tokens } })
	await tenants.createTenant({ name: 'acme', mode: 'store', settings: {} })
	await tenants.updateFormat('acme', () => ({ number: format, stage: 'complete', since: 0, position: '' }))
	let ahead = 0
	let port = '0'
	const startServer = async () => {
		const child = fork(programs.server.file, [connectionString, tokens, port, String(ahead)])
		const [url] = await once(child, 'message')
		port = new URL(url).port
		return { child, url: `${url}/scim/acme` }
	}
	let server = await startServer()
	closing.push(() => kill(server.child))
	return {
		url: server.url,
		file: join(folder, 'people.json'),
		async restart(): Promise<void> {
			await kill(server.child)
			server = await startServer()
		},
		/** A minute passes, after which a reader of format 1 is told what has happened. */
		async passMinute(): Promise<void> {
			ahead += 61_000
			const answer = once(server.child, 'message')
			server.child.send(ahead)
			await answer
		},
		async ask(method: string, path: string, body?: unknown) {
			const headers = { authorization: 'Bearer a-token-that-writes', 'content-type': 'application/scim+json' }
			const sent = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
			const response = await fetch(`${server.url}${path}`, sent)
			const text = await response.text()
			expect(response.status, `${method} ${path} ${text}`).toBeLessThan(300)
			return text === '' ? undefined : JSON.parse(text)
		},
	}
}

type Deployment = Awaited<ReturnType<typeof newDeployment>>

function startApplication({ url, file }: Deployment, ...options: readonly string[]): ChildProcess {
	const env = { ...process.env, URL: url, TOKEN: 'a-token-that-reads' }
	const child = spawn(process.execPath, [programs.application.file, file, ...options], { env, stdio: 'ignore' })
	closing.push(() => kill(child))
	return child
}

/** The users and groups as they are, in the form of the application's database. */
async function directoryOf({ ask }: Deployment) {
	const users = (await ask('GET', '/Users?count=1000')).Resources
	const groups = (await ask('GET', '/Groups?count=1000')).Resources
	type Read = { id: string; userName: string; active: boolean; displayName: string; members?: { value: string }[] }
	return {
		users: Object.fromEntries(users.map(({ id, userName, active }: Read) => [id, { userName, active }])),
		groups: Object.fromEntries(
			groups.map(({ id, displayName, members = [] }: Read) => [
				id,
				{ displayName, members: members.map(({ value }) => value).sort() },
			]),
		),
	}
}

async function databaseIn(file: string) {
	const { users, groups, unseen } = JSON.parse(await readFile(file, 'utf8'))
	for (const group of Object.values<{ members: string[] }>(groups)) group.members.sort()
	return { users, groups, unseen }
}

/** One change of a user, a group or its members. */
function newChanger({ ask }: Deployment, below: (limit: number) => number) {
	const users: string[] = []
	const groups: string[] = []
	let names = 0
	const patch = (path: string, operation: unknown) => ask('PATCH', path, { Operations: [operation] })
	const pick = (ids: readonly string[]) => ids[below(ids.length)] ?? ''
	return async (): Promise<void> => {
		const kind = below(10)
		if (users.length < 5 || kind < 2) {
			users.push((await ask('POST', '/Users', { userName: `user${names++}`, active: below(2) === 0 })).id)
		} else if (groups.length < 4) {
			groups.push((await ask('POST', '/Groups', { displayName: `group${names++}` })).id)
		} else if (kind === 2) {
			const [id] = users.splice(below(users.length), 1)
			await ask('DELETE', `/Users/${id}`)
		} else if (kind === 3 && below(4) === 0) {
			const [id] = groups.splice(below(groups.length), 1)
			await ask('DELETE', `/Groups/${id}`)
		} else if (kind === 3 || kind === 4) {
			await patch(`/Groups/${pick(groups)}`, { op: 'replace', path: 'displayName', value: `group${names++}` })
		} else if (kind < 7) {
			await patch(`/Users/${pick(users)}`, { op: 'replace', path: 'active', value: below(2) === 0 })
		} else {
			const member = pick(users)
			const add = { op: 'add', path: 'members', value: [{ value: member }] }
			await patch(
				`/Groups/${pick(groups)}`,
				below(2) === 0 ? add : { op: 'remove', path: `members[value eq "${member}"]` },
			)
		}
	}
}

/** Makes the database one of long ago: its cursor has expired, and it has a user who is gone. */
async function age(file: string): Promise<void> {
	const old = JSON.parse(await readFile(file, 'utf8'))
	const users = { ...old.users, ghost: { userName: 'ghost', active: true } }
	await writeFile(file, JSON.stringify({ ...old, users, cursor: '01a214972b2e7001b2471521e32e49d3' }))
}

test.each([1, 2])('the application is in step with a tenant in format %i, whatever is killed', async (format) => {
	const seed = Number(process.env.SEED ?? format)
	const random = randomFrom(seed)
	const below = (limit: number) => Math.floor(random() * limit)
	const deployment = await newDeployment(format)
	const change = newChanger(deployment, below)
	// The first snapshot has users.
	for (let changes = 0; changes < 20; changes++) await change()
	for (let runs = 0; runs < 9; runs++) {
		const application = startApplication(deployment, '--once')
		const ended = once(application, 'exit')
		const killedAt = runs % 3 === 0 ? undefined : below(40)
		for (let changes = 0; changes < 40; changes++) {
			await change()
			const chance = below(40)
			if (chance === 0) await deployment.restart()
			if (chance < 3) await deployment.passMinute()
			if (changes === killedAt) application.kill('SIGKILL')
		}
		const [code] = await ended
		// The last third has no snapshot: there the changes alone have to be enough.
		if (code === 0 && runs < 6) await age(deployment.file)
	}
	const expected = await directoryOf(deployment)
	await deployment.passMinute()
	// The last changes are in an open epoch for a second.
	for (let rounds = 0; rounds < 20; rounds++) {
		const [code] = await once(startApplication(deployment, '--once'), 'exit')
		expect({ seed, code }).toEqual({ seed, code: 0 })
		if (isDeepStrictEqual(await databaseIn(deployment.file), { ...expected, unseen: undefined })) break
	}
	expect({ seed, ...(await databaseIn(deployment.file)) }).toEqual({ seed, ...expected, unseen: undefined })
})
