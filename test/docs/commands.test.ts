import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { commands } from '../../cli/commands.ts'
import { jsonOf, type Run, rollcall } from '../support/rollcall.ts'
import { pages } from './pages.ts'
import { toPowerShell } from './powershell.ts'
import { typedIn } from './typed.ts'
import { useWorld } from './world.ts'

const programs = [
	...['az', 'curl', 'git', 'journalctl', 'node', 'npm', 'npx', 'openssl', 'rollcall', 'rollcall-relay', 'systemctl'],
]

/** Whether a text is a whole command line, and not the name of a program or of a file. */
function isCommand(text: string): boolean {
	const [first = '', second] = text.replace(/^([A-Z_]+=\S+ )+/, '').split(' ')
	if (second === undefined) return false
	return programs.includes(first) || /^infra\/.*\.sh$/.test(first) || isRollcall(text)
}

/** The page on `rollcall` leaves that word out. */
const isRollcall = (text: string): boolean => commands.some(({ words }) => `${text} `.startsWith(`${words} `))

const typed = await Promise.all(
	pages.map(async (name) => ({ name, ...typedIn(await readFile(name, 'utf8'), isCommand) })),
)
// Each command is a process or several, which take their time while other tests run, too.
vi.setConfig({ testTimeout: 120_000 })
const world = useWorld()
let count = 0

/** Does what a page says, with something for each of its placeholders. A tenant that is not added there is there before. */
async function follow(script: string): Promise<void> {
	const { url, run } = world()
	const tenant = `acme-${++count}`
	let version = ''
	if (/rollcall (-- )?.*\b(acme|NAME)\b/.test(script) && !script.includes('tenant add')) {
		const place = /--resource-group|\bentra\b/.test(script) ? ' --resource-group rollcall' : ''
		const { status, out, err } = await run(`rollcall tenant add ${tenant} --json${place}`)
		expect(status, err).toBe(0)
		version = JSON.parse(out).version
	}
	if (/rollcall (-- )?(history|erase) (acme|NAME)\b/.test(script)) {
		const { status, err } = await run(`echo '${person}' >person.ndjson; rollcall import ${tenant} person.ndjson`)
		expect(status, err).toBe(0)
	}
	if (/\bentra (status|provision)|disconnect entra|--entra/.test(script)) {
		const { status, err } = await run(`rollcall connect entra ${tenant} --resource-group rollcall`)
		expect(status, err).toBe(0)
	}
	const placeholders: Readonly<Record<string, string>> = {
		...{
			NAME: tenant,
			USER: 'ada@contoso.com',
			WHO: 'joy@example.com',
			VERSION: version,
			GROUP: 'rollcall',
			COMMAND: 'tenant list',
			FILE: 'relay.json',
		},
		...{ ACCOUNT: 'rollcallaccount', VAULT: 'rollcallvault', HOST: 'rollcall-app.azurewebsites.net' },
	}
	const filled = script
		.replaceAll(/https?:\/\/(127\.0\.0\.1:7071|HOST)\/scim\/\w+/g, url)
		.replaceAll('/etc/rollcall-relay/', './')
		.replaceAll(/\bacme\b/g, tenant)
		.replaceAll(/(?<![$\w])[A-Z]+(?![\w=])/g, (word) => placeholders[word] ?? word)
	// Who deploys for the first time makes the group.
	const isDeployed = !/infra\/deploy\.sh .*--location|az group create/.test(script)
	const { status, out, err } = await run(filled, { isDeployed })
	expect(status, `${filled}\n${out}\n${err}`).toBe(0)
}

/** What an export with one person has. */
const person = [
	{
		...{ type: 'User', id: '019b76daa80070008000000000000000', created: '', lastModified: '' },
		attributes: { userName: 'joy@example.com', color: 'red' },
	},
	{ type: 'End', users: 1, groups: 0, memberships: 0 },
]
	.map((record) => JSON.stringify(record))
	.join('\n')

const urn = 'urn:example:params:scim:schemas:hr:2.0:User'

/** The same on a data folder of its own, for a command whose program is left out. */
async function administer(line: string): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-docs-'))
	const file = join(folder, 'acme.ndjson')
	const run = (command: string) => rollcall([...command.split(' '), '--data', join(folder, 'data')], { input: 'acme' })
	const values = await prepare(line, { run, file })
	const { code, err } = await run(
		line
			.replace(/^tenant remove NAME$/, `$& --out ${file}`)
			.replaceAll(/(?<![\w-])[A-Z_]+(?![\w-])/g, (word) => values[word] ?? word),
	)
	await rm(folder, { recursive: true })
	expect(code, err).toBe(0)
}

type Preparation = { readonly run: (command: string) => Promise<Run>; readonly file: string }

const guid = '11111111-1111-4111-8111-111111111111'

/** Makes what a command works on. Returns what to type for its placeholders. */
async function prepare(line: string, { run, file }: Preparation): Promise<Readonly<Record<string, string>>> {
	const values = {
		...{ NAME: 'acme', FILE: file, URN: urn, PATH: 'color', WHO: 'joy@example.com' },
		...{ ID: guid, TENANT_ID: guid, OBJECT_ID: guid, APP_ID: guid },
		...{ I: `https://login.microsoftonline.com/${guid}/v2.0`, S: guid, A: guid },
	}
	if (line.startsWith('tenant add')) return values
	const mode = /^agent |^tenant set .*--(agent|hybrid|authorization|patch)/.test(line) ? 'relay' : 'store'
	const { version } = jsonOf(await run(`tenant add acme --json --mode ${mode}`))
	if (line.startsWith('import')) await run(`export acme --out ${file}`)
	if (line.startsWith('schema')) await addSchema({ run, file })
	if (/^(schema|history|erase)/.test(line)) await importPerson({ run, file: `${file}-2` })
	if (line.includes('AGENT')) return { ...values, AGENT: jsonOf(await run('agent add acme --json')).agent }
	if (!line.includes('CLIENT')) return { ...values, VERSION: version }
	return { ...values, CLIENT: jsonOf(await run('client add acme --json')).clientId }
}

async function addSchema({ run, file }: Preparation): Promise<void> {
	await writeFile(file, JSON.stringify({ id: urn, attributes: [{ name: 'badge' }] }))
	expect(await run(`schema add acme ${file}`)).toMatchObject({ code: 0 })
}

async function importPerson({ run, file }: Preparation): Promise<void> {
	await writeFile(file, person)
	expect(await run(`import acme ${file}`)).toMatchObject({ code: 0 })
}

/** A test of this project is run by itself; the variable that is set for it has to be one that it reads. */
const ownTest = /^([A-Z_]+)=\S+ npx vitest run (\S+)$/

test.each(
	typed.flatMap(({ name, scripts }) => [...scripts].map(([heading, script]) => [name, heading, script] as const)),
)('%s: what is under "%s" can be typed', (_, __, script) => follow(script))

test.each(typed.flatMap(({ name, lines }) => lines.map((line) => [name, line] as const)))(
	'%s: %s can be typed',
	async (_, line) => {
		const [, variable, file = ''] = ownTest.exec(line) ?? []
		if (variable !== undefined) expect(await readFile(file, 'utf8')).toContain(variable)
		// Entra reaches a deployment alone. An application that reads needs none.
		else if (isRollcall(line) && /\bentra\b/.test(line) && !line.startsWith('reader'))
			await follow(`rollcall ${line} --resource-group rollcall`)
		else if (isRollcall(line) && /[A-Z]/.test(line)) await administer(line)
		else {
			const command = isRollcall(line) ? `rollcall ${line}` : line.replace(/^npm run rollcall( -- |$)/, 'rollcall ')
			// The name of a command is one that has help.
			await follow(/^(az|rollcall)( [a-z-]+)*? ?$/.test(command) ? `${command} --help` : command)
		}
	},
)

test.each(
	typed.flatMap(({ name, translations }) => translations.map((each) => [name, each.powershell, each.bash] as const)),
)('%s: %s is the PowerShell of bash that is run', (_, powershell, bash) =>
	expect(bash.map(toPowerShell)).toContain(powershell),
)

test.each(['npm ci', 'npm run build', 'npm test', 'npm run check', 'node dist/demo/relay.js'])(
	'.ci/run does %s, so that nothing here has to',
	async (command) => expect(await readFile('.ci/run', 'utf8')).toContain(command),
)

test.each([
	'az group create --name rollcall --region westeurope',
	'az grup create --name rollcall --location westeurope',
	'az deployment gruop show --help',
	'infra/deploy.sh --resource-group rollcall --parameters infra/smal.bicepparam',
	'infra/destroy.sh --resourcegroup rollcall',
	'npm run rolcall -- tenant list',
	'npm run rollcall -- tenant add acme --resourcegroup rollcall',
	'npm run rollcall -- tenant export acme --help',
	'npm start -- --prot 8080',
	'npm ci --no-adit',
	'npx vitest run test/docs/comands.test.ts',
	'curl "$URL/Users"',
	'openssl req -x508',
	'rollcall-relay doctor --konfig relay.json',
	'rollcall-relay version && apt-get install something',
])('%s would be found wrong', async (script) => {
	await expect(follow(script)).rejects.toThrow()
})
