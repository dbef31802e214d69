import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import * as z from 'zod'
import { UsageError } from '../../shared/cli/usage-error.ts'
import { type Clock, pause } from '../../shared/relay/clock.ts'
import { type Config, readSettings } from '../config.ts'
import { diagnose, report } from '../doctor/doctor.ts'
import { requestText } from '../request-text.ts'
import { filesOf, readToken } from '../secret-file.ts'
import { managerOf, serviceFrom } from '../service.ts'
import type { Machine } from '../service-manager.ts'
import { nameArgument } from '../service-name.ts'
import type { Connect } from './connection.ts'
import type { Prompt } from './prompt.ts'
import { decideTrust, findRoot, findServer, type TrustDecision, tokenProblem } from './scim-server.ts'

export type SetupOptions = {
	/** The settings file to write. */
	readonly file: string
	/** The SCIM server. It is looked for on this machine otherwise. */
	readonly origin?: string | undefined
	/** The SHA-256 of the certificate to trust. */
	readonly fingerprint?: string | undefined
	/** A file with the token of the SCIM server. */
	readonly tokenFile?: string | undefined
	/** The service to install. None if only the settings are wanted. */
	readonly service?: ServiceChoice | undefined
	/** The administrator has confirmed what will be written and installed. */
	readonly isConfirmed: boolean
}

type ServiceChoice = {
	readonly id: string
	readonly user?: string | undefined
	readonly winsw?: string | undefined
}

export type SetupContext = {
	readonly prompt: Prompt
	readonly connect: Connect
	readonly machine: Machine
	readonly clock: Clock
	/** The port on which a SCIM server is looked for, other than the usual one. */
	readonly port?: number
}

type ScimServer = { readonly url: string; readonly trust: TrustDecision; readonly token: string }

const attempts = 3
const readyWithin = 30_000

/**
 * Sets an agent up: from the search for the SCIM server to a service that is online. Nothing is written before all
 * questions are answered. Returns the exit code. Throws a UsageError that says what is missing.
 */
export async function setUp(options: SetupOptions, context: SetupContext): Promise<number> {
	const { prompt, clock, machine } = context
	const file = resolve(options.file)
	requireNew(file)
	requireRoot(options.service, machine)
	const server = await chooseServer(options, context)
	await confirm({ ...options, file }, prompt)
	prompt.say(await writeSettings(file, server, context))
	const findings = await diagnose(file, { clock, machine })
	prompt.say(report(findings))
	const hasFailed = findings.some(({ verdict }) => verdict === 'FAIL')
	const { service } = options
	if (service === undefined) return hasFailed ? 1 : 0
	if (hasFailed)
		throw new UsageError('the service was not installed, because a check failed', {
			hint: `Repair it, and go on with: ${installCommand(file, service)}`,
		})
	return installService(file, service, context)
}

function requireNew(file: string): void {
	if (!existsSync(file)) return
	throw new UsageError(`${file} exists already`, {
		hint: `Name another file: --config FILE. Or keep it, and exchange a code for new credentials: rollcall-relay enrol --config ${file}`,
	})
}

/** systemd needs root. Windows is asked when the service is installed. */
function requireRoot(service: ServiceChoice | undefined, { platform, run }: Machine): void {
	if (service === undefined || platform !== 'linux' || run('id', ['-u']).trim() === '0') return
	throw new UsageError('setup installs a service and needs root', {
		hint: 'Repeat it with sudo, or write the settings alone: --no-service.',
	})
}

const defaultUser = 'rollcall-relay'

const installCommand = (file: string, { id, user = defaultUser }: ServiceChoice): string =>
	`rollcall-relay service install${nameArgument(id)} --config ${file} ${process.platform === 'win32' ? '--winsw FILE' : `--user ${user}`}`

/** Finds the server, decides on trust and checks the token. Its files are in a folder that only this user can read. */
async function chooseServer(options: SetupOptions, { prompt, clock, port }: SetupContext): Promise<ScimServer> {
	const found = await findServer(options.origin, port === undefined ? {} : { port })
	const trust = await decideTrust(found, { fingerprint: options.fingerprint, prompt, clock })
	const folder = mkdtempSync(join(tmpdir(), 'rollcall-setup-'))
	try {
		const draft = originOf({ url: found.url, trust, token: '' }, folder)
		const url = await findRoot({ ...draft, authorization: { type: 'passThrough' } }, clock)
		prompt.say(`SCIM answers at ${url}.`)
		const check = (token: string) => tokenProblem(originOf({ url, trust, token }, folder), clock)
		return { url, trust, token: await chooseToken(options.tokenFile, check, prompt) }
	} finally {
		rmSync(folder, { recursive: true })
	}
}

/** The settings of the SCIM server. Writes the files that they name into the folder. */
function originOf({ url, trust, token }: ScimServer, folder: string): Config['origin'] {
	const write = (name: string, text: string, mode: number) => {
		writeFileSync(join(folder, name), `${text.trim()}\n`, { mode })
		return join(folder, name)
	}
	const pin = (pem: string) => ({ mode: 'pin', certificateFile: write('origin.pem', pem, 0o644) }) as const
	return {
		url,
		tls: trust.mode === 'pin' ? pin(trust.pem) : { mode: 'system' },
		authorization: { type: 'bearer', tokenFile: write('origin.token', token, 0o600) },
	}
}

async function chooseToken(
	file: string | undefined,
	check: (token: string) => Promise<string | undefined>,
	prompt: Prompt,
): Promise<string> {
	let problem: string | undefined
	for (let attempt = 0; attempt < (file === undefined ? attempts : 1); attempt++) {
		const token = file === undefined ? await askToken(prompt) : readToken(file)
		problem = isToken(token) ? await check(token) : 'a token is one word of printable ASCII'
		if (problem === undefined) return token
		if (file === undefined) prompt.say(`error: ${problem}`)
	}
	throw new UsageError(problem ?? 'there is no token', {
		hint: 'The token is that of the SCIM server, not that of Rollcall. Ask the administrator of the SCIM server for it.',
	})
}

const isToken = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

function askToken(prompt: Prompt): Promise<string> {
	if (prompt.canAsk) return prompt.askSecret('The token of the SCIM server (it is not shown): ')
	throw new UsageError('the token of the SCIM server is missing', {
		hint: 'Write it to a file that only you can read, and name the file: --origin-token-file FILE',
	})
}

async function confirm({ file, service, isConfirmed }: SetupOptions, prompt: Prompt): Promise<void> {
	if (isConfirmed) return
	const what = service === undefined ? `Write ${file}` : `Write ${file}, and install the service ${service.id}`
	if (!prompt.canAsk) throw new UsageError('setup needs a confirmation', { hint: `${what}: --yes` })
	if (/^y(es)?$/i.test(await prompt.ask(`${what}? (yes/no) `))) return
	throw new UsageError('nothing was written', { hint: 'Begin again with: rollcall-relay setup' })
}

/** Writes the settings and their files. Removes them if there is no connection with Azure. */
async function writeSettings(file: string, server: ScimServer, { connect }: SetupContext): Promise<string> {
	const folder = dirname(file)
	const isNewFolder = mkdirSync(folder, { recursive: true, mode: 0o755 }) !== undefined
	const names = ['origin.token', 'origin.pem', 'listen.key']
	if (names.some((name) => existsSync(join(folder, name))))
		throw new UsageError(`${folder} has the files of another agent`, {
			hint: 'Name a settings file in another folder: --config FILE',
		})
	try {
		const { url, tls, authorization } = originOf(server, folder)
		const admin = { port: await freePort() }
		const origin = {
			url,
			tls: tls.mode === 'pin' ? { ...tls, certificateFile: 'origin.pem' } : tls,
			authorization: { ...authorization, tokenFile: 'origin.token' },
		}
		writeFileSync(file, `${JSON.stringify({ origin, admin }, null, 2)}\n`, { mode: 0o644 })
		const text = await connect(file)
		readSettings(file)
		return `${text}\nthe settings are in ${file}`
	} catch (error) {
		for (const path of [file, ...names.map((name) => join(folder, name))]) rmSync(path, { force: true })
		if (isNewFolder) removeEmpty(folder)
		throw error
	}
}

/** After a lost answer, the folder keeps the key that the same code needs again. */
function removeEmpty(folder: string): void {
	try {
		rmdirSync(folder)
	} catch (error) {
		if (!(error instanceof Error)) throw error
	}
}

const firstPort = 9110

/** A free port for the state of the agent: the usual one, or one of the next. */
async function freePort(port = firstPort): Promise<number> {
	const server = createServer()
	const isFree = await new Promise<boolean>((done) => {
		server.once('error', () => done(false)).listen(port, '127.0.0.1', () => server.close(() => done(true)))
	})
	return isFree || port > firstPort + 100 ? port : freePort(port + 1)
}

async function installService(
	file: string,
	choice: ServiceChoice,
	{ prompt, machine, clock }: SetupContext,
): Promise<number> {
	const user = machine.platform === 'linux' ? (choice.user ?? defaultUser) : undefined
	const { servers, admin } = readSettings(file)
	if (user !== undefined) {
		requireUser(user, machine)
		// The user's own files are read in place, so that a new token needs no restart.
		machine.run('chown', [user, ...filesOf({ servers }).secret])
	}
	const service = serviceFrom(choice.id, { config: file, user, winsw: choice.winsw }, machine)
	const done = managerOf(machine).install(service, machine)
	prompt.say(`the service ${choice.id} is ${done} and started`)
	const state = admin === undefined ? undefined : await stateWithin(admin.port, clock)
	prompt.say(`the agent is ${state ?? 'not answering'}`)
	if (state === 'online') return 0
	prompt.say(`hint: rollcall-relay doctor --config ${file}`)
	return 1
}

/** Makes the user of the service, who owns nothing but its secrets. */
function requireUser(user: string, { run }: Machine): void {
	try {
		run('id', ['-u', user])
	} catch (error) {
		if (!(error instanceof Error)) throw error
		run('useradd', ['--system', '--no-create-home', user])
	}
}

const readiness = z.object({ state: z.string() })

/** The state of the agent when it is online, or the last one before the time is over. */
async function stateWithin(port: number, clock: Clock): Promise<string | undefined> {
	const until = clock.now() + readyWithin
	for (;;) {
		const state = await stateAt(port)
		if (state === 'online' || clock.now() >= until) return state
		await pause(clock, 500)
	}
}

const stateAt = (port: number): Promise<string | undefined> =>
	requestText(`http://127.0.0.1:${port}/ready`, {}).then(
		({ text }) => readiness.safeParse(JSON.parse(text)).data?.state,
		() => undefined,
	)
