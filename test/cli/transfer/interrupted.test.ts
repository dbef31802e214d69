import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, statSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { idGenerator } from '../../../shared/scim/id.ts'
import { useAzure } from '../../support/azure/azure.ts'
import { jsonOf, useBuiltPath, useBuiltRollcall } from '../../support/rollcall.ts'

const azure = useAzure()
const path = useBuiltPath()
const rollcall = useBuiltRollcall(path)

const newFolder = () => mkdtemp(join(tmpdir(), 'rollcall-cli-'))

const ids = idGenerator(Date.now, (digits) => 'f'.repeat(digits))
const dates = { created: '', lastModified: '' }

/** The lines of an export with this number of users, and with groups that each have an equal share of the users. */
function linesOf(count: number, groupCount = 1): readonly string[] {
	const users = Array.from({ length: count }, (_, index) => ({
		id: ids('User'),
		attributes: { userName: `user-${index}` },
	}))
	const groups = Array.from({ length: groupCount }, (_, index) => ({
		id: ids('Group'),
		attributes: { displayName: `Group ${index}` },
	}))
	const share = count / groupCount
	return [
		{
			type: 'Export',
			format: 1,
			tenant: 'acme',
			exported: '',
			settings: { history: 'full', unknownAttributes: 'keep' },
		},
		...users.map((user) => ({ type: 'User', ...user, ...dates })),
		...groups.map((group) => ({ type: 'Group', ...group, ...dates })),
		...groups.flatMap(({ id: group }, index) =>
			users.slice(index * share, (index + 1) * share).map(({ id: member }) => ({ type: 'Membership', group, member })),
		),
		{ type: 'End', users: count, groups: groupCount, memberships: count },
	].map((record) => `${JSON.stringify(record)}\n`)
}

test.each([
	['users', 'acme', 300, { users: 200, groups: 0 }],
	['memberships', 'globex', 460, { users: 250, groups: 1 }],
])('an import that is killed among its %s continues at the same point', async (what, tenant, sent, expected) => {
	const { env } = azure()
	const run = (line: string) => rollcall([...line.split(' '), '--resource-group', 'rollcall'], { env })
	const folder = await newFolder()
	const [file, copy, pipe] = [join(folder, 'export'), join(folder, 'copy'), join(folder, 'pipe')]
	const lines = linesOf(what === 'users' ? 400 : 250)
	await writeFile(file, lines.join(''))
	await run(`tenant add ${tenant}`)

	execFileSync('sh', ['-c', 'mkfifo "$0"', pipe])
	const args = ['import', tenant, pipe, '--resource-group', 'rollcall']
	const killed = spawn(process.execPath, [path(), ...args], {
		env: { ...process.env, ...env },
		stdio: 'inherit',
	})
	const writing = createWriteStream(pipe)
	writing.write(lines.slice(0, sent).join(''))
	await vi.waitFor(async () => expect(jsonOf(await run(`tenant show ${tenant} --json`))).toMatchObject(expected), {
		timeout: 100_000,
		interval: 100,
	})
	killed.kill('SIGKILL')
	expect(await once(killed, 'exit')).toEqual([null, 'SIGKILL'])
	writing.destroy()

	const { users, memberships, ...rest } = jsonOf(await run(`import ${tenant} ${file} --json`))
	const count = lines.length / 2 - 1.5
	expect([users.created + users.present, memberships.created + memberships.present]).toEqual([count, count])
	expect(users.present).toBe(expected.users)
	expect(rest).toMatchObject({ conflicts: [], isWhole: true })
	await run(`export ${tenant} --out ${copy}`)
	const bare = async (name: string) =>
		(await readFile(name, 'utf8'))
			.split('\n')
			.map((line) => line.replace(/"(exported|created|lastModified|tenant|table)":"[^"]*",?/g, ''))
			.sort()
	expect(await bare(copy)).toEqual(await bare(file))
	await rm(folder, { recursive: true })
})

test('an export that is killed repeatedly continues each time, and equals an uninterrupted export', async () => {
	const { env } = azure()
	const where = ['--resource-group', 'rollcall']
	const run = (line: string) => rollcall([...line.split(' '), ...where], { env })
	const folder = await newFolder()
	const [made, whole, file] = [join(folder, 'made'), join(folder, 'whole'), join(folder, 'file')]
	await writeFile(made, linesOf(540, 27).join(''))
	await run('tenant add umbrella')
	await run(`import umbrella ${made}`)
	await run(`export umbrella --out ${whole}`)

	/** Kills an export when its file has this size; false if the export ends before that. */
	const isKilledAt = async (size: number): Promise<boolean> => {
		const child = spawn(process.execPath, [path(), 'export', 'umbrella', '--out', file, ...where], {
			env: { ...process.env, ...env },
			stdio: 'ignore',
		})
		const exited = once(child, 'exit')
		while (child.exitCode === null && sizeOf(`${file}.part`) < size) await sleep(1)
		child.kill('SIGKILL')
		const [code] = await exited
		return code === null
	}
	// Before and after the first line, among users, groups and memberships, and before the file is renamed.
	const shares = [0, 1e-9, 0.4, 0.65, 0.8, 0.95, 1]
	const kills: boolean[] = []
	for (const share of shares) kills.push(await isKilledAt(share * sizeOf(whole)))
	expect(kills.slice(0, -1)).toEqual(Array(shares.length - 1).fill(true))
	if (kills.at(-1)) await run(`export umbrella --out ${file}`)
	expect(await readdir(folder)).toEqual(['file', 'made', 'whole'])
	const withoutTime = async (name: string) => (await readFile(name, 'utf8')).replace(/"exported":"[^"]*"/, '')
	expect(await withoutTime(file)).toBe(await withoutTime(whole))

	await run('tenant add tyrell')
	expect(jsonOf(await run(`import tyrell ${file} --json`))).toEqual({
		name: 'tyrell',
		users: { created: 540, present: 0 },
		groups: { created: 27, present: 0 },
		memberships: { created: 540, present: 0 },
		conflicts: [],
		isWhole: true,
	})
	await rm(folder, { recursive: true })
}, 240_000)

/** The size of a file in bytes; -1 if the file does not exist. */
const sizeOf = (name: string): number => statSync(name, { throwIfNoEntry: false })?.size ?? -1
