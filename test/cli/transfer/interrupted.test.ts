import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { idGenerator } from '../../../shared/scim/id.ts'
import { useAzure } from '../../support/azure/azure.ts'
import { jsonOf, useBuiltPath, useBuiltRollcall } from '../../support/rollcall.ts'

const azure = useAzure()
const path = useBuiltPath()
const rollcall = useBuiltRollcall(path)

const ids = idGenerator(Date.now, (digits) => 'f'.repeat(digits))
const dates = { created: '', lastModified: '' }

/** The lines of an export: so many users, and a group with all of them. */
function linesOf(count: number): readonly string[] {
	const users = Array.from({ length: count }, (_, index) => ({
		id: ids('User'),
		attributes: { userName: `user-${index}` },
	}))
	const group = { id: ids('Group'), attributes: { displayName: 'All' } }
	return [
		{ type: 'Export', format: 1, tenant: 'acme', exported: '' },
		...users.map((user) => ({ type: 'User', ...user, ...dates })),
		{ type: 'Group', ...group, ...dates },
		...users.map(({ id }) => ({ type: 'Membership', group: group.id, member: id })),
		{ type: 'End', users: count, groups: 1, memberships: count },
	].map((record) => `${JSON.stringify(record)}\n`)
}

test.each([
	['users', 'acme', 300, { users: 200, groups: 0 }],
	['memberships', 'globex', 460, { users: 250, groups: 1 }],
])('an import that is killed among its %s goes on where it was', async (what, tenant, sent, expected) => {
	const { env } = azure()
	const run = (line: string) => rollcall([...line.split(' '), '--resource-group', 'rollcall'], { env })
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'))
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
		timeout: 25_000,
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
			.map((line) => line.replace(/"(exported|created|lastModified|tenant)":"[^"]*"/g, ''))
			.sort()
	expect(await bare(copy)).toEqual(await bare(file))
	await rm(folder, { recursive: true })
})
