import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { explained, UsageError } from '../shared/cli/usage-error.ts'
import { version } from '../shared/cli/version.ts'
import { systemClock } from '../shared/relay/clock.ts'
import { nearest } from '../shared/scim/nearest.ts'
import { type Config, readConfig } from './config.ts'
import { writeBundle } from './doctor/bundle.ts'
import { showCertificate } from './doctor/certificate.ts'
import type { CloudTenant } from './doctor/cloud.ts'
import { diagnose, report } from './doctor/doctor.ts'
import { pinSentence } from './doctor/pins.ts'
import { enrolAgent } from './enrol.ts'
import { readInput } from './input.ts'
import { briefly, jsonLog } from './log.ts'
import { ownFiles, pasteable } from './program.ts'
import { reloadAgent } from './reload.ts'
import { run } from './run.ts'
import { versionLines } from './running-version.ts'
import { managerOf, serviceFrom, thisMachine } from './service.ts'
import { serviceId } from './service-name.ts'
import { type Connect, connectByCode, connectByKey } from './setup/connection.ts'
import { type Prompt, terminalPrompt } from './setup/prompt.ts'
import { setUp } from './setup/setup.ts'

// Results go to stdout, everything else to stderr. Exit codes: 0 success, 1 failure, 2 wrong usage or settings.

const help = {
	setup: `rollcall-relay setup

Sets an agent up on this machine: finds the SCIM server on port 11015, shows its certificate and asks whether to trust it,
asks for its token, exchanges a code of "rollcall agent add" from standard input, writes the settings, runs the doctor,
installs the service and prints its state. Options answer the questions, so that a script can run it.

  --config FILE                      the settings to write (default /etc/rollcall-relay/relay.json, or beside the agent)
  --origin URL                       the SCIM server, such as https://localhost:11015/scim
  --trust-fingerprint SHA256         trust the certificate with this SHA-256, which you have compared
  --origin-token-file FILE           a file with the token of the SCIM server
  --yes                              write and install without asking; trusts no certificate
  --name NAME, --user USER           the name of the service, and on Linux its user (default rollcall-relay)
  --winsw FILE                       on Windows: WinSW-x64.exe 2.12.0
  --no-service                       write the settings and run the doctor alone
  --proxy URL, --ca-file PEM         for all connections to Azure
  --offline                          the code is one of "rollcall agent add --offline"
  --namespace HOST --hybrid-connection NAME --key-name NAME --key-file FILE
                                     use a key with the right Listen instead of a code
`,
	run: `rollcall-relay run --config FILE

Runs the agent until SIGTERM or Ctrl+C. It first finishes the requests in progress. It reads FILE again when FILE or a file
that it names changes, and on SIGHUP.
`,
	reload: `rollcall-relay reload --config FILE

Tells the running agent to read FILE and all files that it names again. Needs "admin" in FILE. Requests in progress finish.
If something cannot be used, the agent keeps the earlier settings, and the exit code is 2.
`,
	doctor: `rollcall-relay doctor --config FILE

Checks everything that the agent needs. Says what is wrong and how to repair it.

  --json                             print JSON
  --server NAME                      check this server alone, if FILE has several
  --listen                           if no running agent answers, listen for a moment and serve the requests that arrive
  --cloud URL --token-file FILE      also send a request through https://HOST/scim/TENANT with a client's token
  --bundle FILE                      write findings, versions, the log and the settings without secrets to a file
  --save-certificate PEM             write the certificate of the SCIM server to a file, for pinning
`,
	enrol: `rollcall-relay enrol --config FILE

Reads a code of "rollcall agent add" from standard input, makes a key for this machine, and writes FILE. The code works
once. If the answer is lost, give the same code again. What FILE has besides stays.

  --server NAME                      the server that enrols, if FILE has several
  --offline                          for a code of "rollcall agent add --offline": nothing is sent, and FILE gets a key of
                                     Azure Relay, which works until an administrator removes it
  --origin URL                       the SCIM server, for a new FILE (default https://localhost:11015/scim)
  --proxy URL                        an HTTP proxy for all connections to Azure
  --ca-file PEM                      the authorities to trust for Azure, if a firewall inspects TLS
`,
	service: `rollcall-relay service install --config FILE --user USER     on Linux
rollcall-relay service install --config FILE --winsw FILE    on Windows
rollcall-relay service status
rollcall-relay service restart
rollcall-relay service uninstall

Runs the agent as a service of systemd or Windows, which starts with the machine. A repeated install updates the service
and restarts it. The exit code of "status" is 0 while the service runs, otherwise 1. The word "service" may be left out.
"status" also prints the versions of the agent and of Rollcall, and what to upgrade to. For that it needs admin.port.

  --name NAME                        the service rollcall-relay-NAME, beside others on this machine
  --user USER                        the user that the service runs as
  --winsw FILE                       WinSW-x64.exe 2.12.0, from https://github.com/winsw/winsw/releases
  --dry-run                          print what would be installed, change nothing
`,
	certificate: `rollcall-relay certificate --config FILE

Prints the names, the end and the SHA-256 of the certificate that the SCIM server has now, and which pin it is.

  --server NAME                      the server to ask, if FILE has several
`,
	version: `rollcall-relay version

Prints the version.
`,
} as const

const usage = `rollcall-relay connects a SCIM server in a private network to Rollcall. It opens only outbound connections.

  rollcall-relay setup                     set an agent up on this machine
  rollcall-relay enrol --config FILE       exchange a code for the settings of this machine
  rollcall-relay run --config FILE         run the agent until SIGTERM
  rollcall-relay doctor --config FILE      check everything that the agent needs
  rollcall-relay service install           run the agent as a service; also: status, restart, uninstall
  rollcall-relay reload --config FILE      tell the running agent to read its settings again
  rollcall-relay certificate --config FILE print the certificate of the SCIM server
  rollcall-relay version                   print the version

rollcall-relay COMMAND --help lists the options. The settings are in docs/relay-reference.md.
`

/** The options of each command, apart from --help. */
const options = {
	setup: [
		'config',
		'origin',
		'trust-fingerprint',
		'origin-token-file',
		'yes',
		'name',
		'user',
		'winsw',
		'no-service',
		'offline',
		'proxy',
		'ca-file',
		'namespace',
		'hybrid-connection',
		'key-name',
		'key-file',
	],
	run: ['config'],
	reload: ['config'],
	doctor: ['config', 'server', 'json', 'listen', 'cloud', 'token-file', 'bundle', 'save-certificate'],
	enrol: ['config', 'server', 'offline', 'origin', 'proxy', 'ca-file'],
	service: ['config', 'name', 'user', 'winsw', 'dry-run'],
	certificate: ['config', 'server'],
	version: [],
} as const satisfies Record<keyof typeof help, readonly string[]>

const programStart = {
	files: ownFiles,
	script: process.argv[1] ?? '',
	cwd: process.cwd(),
	path: process.env.PATH,
}
const print = (text: string) => process.stdout.write(text)
// The reader of stderr may restart, as journald does during an upgrade. The agent keeps running.
process.stderr.on('error', () => undefined)
const log = jsonLog((line) => process.stderr.write(line), Date.now)

async function main(args: readonly string[]): Promise<number> {
	const { positionals, values } = parse(args)
	const [command, ...more] = withService(positionals)
	if (command === undefined && !values.help) throw new UsageError('no command', { hint: 'rollcall-relay --help' })
	if (command === undefined || command === 'help') return succeed(usage)
	if (!isCommand(command)) throw unknown('command', command, [...Object.keys(help), ...serviceActions])
	if (values.help) return succeed(help[command])
	refuseUnknown(command, Object.keys(values), command === 'service' ? more.slice(1) : more)
	switch (command) {
		case 'setup':
			return setup(values)
		case 'run':
			return run(configFile(values.config), { log, version })
		case 'reload':
			return reload(configFile(values.config))
		case 'doctor':
			return doctor(configFile(values.config), values)
		case 'enrol':
			return enrol(configFile(values.config), values)
		case 'service':
			return service(more[0], values)
		case 'certificate':
			return printCertificate(readConfig(configFile(values.config), values.server))
		case 'version':
			return succeed(`${version}\n`)
	}
}

const serviceActions = ['install', 'status', 'restart', 'uninstall']

/** The word `service` may be left out: `rollcall-relay restart`. */
const withService = (words: readonly string[]): readonly string[] =>
	serviceActions.includes(words[0] ?? '') ? ['service', ...words] : words

const isCommand = (word: string): word is keyof typeof help => Object.hasOwn(help, word)

function refuseUnknown(command: keyof typeof help, optionNames: readonly string[], words: readonly string[]): void {
	const candidates: readonly string[] = options[command]
	const option = optionNames.find((name) => !candidates.includes(name))
	const [word] = words
	if (option === undefined && word === undefined) return
	const problem = option === undefined ? `unexpected argument ${word}` : `unknown option --${option}`
	throw new UsageError(`${command}: ${problem}`, { hint: `rollcall-relay ${command} --help` })
}

const optionTypes = {
	help: { type: 'boolean', short: 'h' },
	config: { type: 'string', short: 'c' },
	json: { type: 'boolean' },
	'save-certificate': { type: 'string' },
	listen: { type: 'boolean' },
	cloud: { type: 'string' },
	'token-file': { type: 'string' },
	bundle: { type: 'string' },
	name: { type: 'string' },
	server: { type: 'string' },
	offline: { type: 'boolean' },
	origin: { type: 'string' },
	proxy: { type: 'string' },
	'ca-file': { type: 'string' },
	user: { type: 'string' },
	winsw: { type: 'string' },
	'dry-run': { type: 'boolean' },
	'trust-fingerprint': { type: 'string' },
	'origin-token-file': { type: 'string' },
	yes: { type: 'boolean' },
	'no-service': { type: 'boolean' },
	namespace: { type: 'string' },
	'hybrid-connection': { type: 'string' },
	'key-name': { type: 'string' },
	'key-file': { type: 'string' },
} as const

function parse(args: readonly string[]) {
	try {
		return parseArgs({ args: [...args], options: optionTypes, allowPositionals: true })
	} catch (error) {
		const message = briefly(error)
		const [, option] = /^Unknown option '(--?[^']+)'/.exec(message) ?? []
		if (option === undefined) throw new UsageError(message, { hint: 'rollcall-relay --help', cause: error })
		const candidates = Object.keys(optionTypes).map((name) => `--${name}`)
		throw unknown('option', option, candidates, error)
	}
}

function unknown(what: string, word: string, candidates: readonly string[], cause?: unknown): UsageError {
	const guess = nearest(word, candidates)
	const hint = guess === undefined ? 'rollcall-relay --help' : `Did you mean ${guess}?`
	return new UsageError(`unknown ${what} ${word}`, { hint, cause })
}

function succeed(text: string): number {
	print(text)
	return 0
}

function configFile(file: string | undefined): string {
	if (file === undefined) throw new UsageError('--config is missing', { hint: 'Name the settings file: --config FILE' })
	return file
}

async function reload(file: string): Promise<number> {
	const refused = await reloadAgent(resolve(file))
	for (const { server, detail, hint = '' } of refused)
		process.stderr.write(`error: ${server === undefined ? '' : `${server}: `}${detail}\nhint: ${hint}\n`)
	return refused.length === 0 ? succeed('reloaded\n') : 2
}

type DoctorArguments = {
	readonly server?: string | undefined
	readonly json?: boolean | undefined
	readonly 'save-certificate'?: string | undefined
	readonly listen?: boolean | undefined
	readonly cloud?: string | undefined
	readonly 'token-file'?: string | undefined
	readonly bundle?: string | undefined
}

async function doctor(file: string, options: DoctorArguments): Promise<number> {
	const { server, json = false, listen = false, 'save-certificate': pem, bundle } = options
	if (pem !== undefined) return saveCertificate(readConfig(file, server), pem)
	const checks = await diagnose(file, {
		clock: systemClock,
		machine: thisMachine,
		cloud: cloudOf(options),
		isListening: listen,
		server,
	})
	const findings = checks.map((finding) => ({
		...finding,
		...(finding.remedy !== undefined && { remedy: pasteable(finding.remedy, programStart) }),
	}))
	print(json ? `${JSON.stringify(findings, null, 2)}\n` : report(findings))
	if (bundle !== undefined)
		await explained(`cannot write ${bundle}`, 'Name another file: --bundle FILE', () =>
			writeBundle(bundle, { config: file, findings, machine: thisMachine, version }),
		)
	return findings.some(({ verdict }) => verdict === 'FAIL') ? 1 : 0
}

function cloudOf({ cloud: url, 'token-file': tokenFile }: DoctorArguments): CloudTenant | undefined {
	if (url === undefined && tokenFile === undefined) return undefined
	if (url === undefined || tokenFile === undefined)
		throw new UsageError('--cloud and --token-file must be used together', { hint: 'rollcall-relay --help' })
	if (!/^https:\/\/|^http:\/\/(127\.0\.0\.1|localhost)[:/]/.test(url) || !URL.canParse(url))
		throw new UsageError(`--cloud ${url} is not the URL of a tenant`, { hint: 'Write it as https://HOST/scim/TENANT.' })
	return { url, tokenFile }
}

async function saveCertificate(config: Config, pem: string): Promise<number> {
	const certificate = await showCertificate(config)
	await explained(`cannot write ${pem}`, 'Name another file: --save-certificate PEM', () =>
		writeFileSync(pem, certificate.pem),
	)
	return succeed(`${certificate.text}\nwritten to ${pem}\n`)
}

async function printCertificate(config: Config): Promise<number> {
	const certificate = await showCertificate(config)
	const pin = pinSentence(config, certificate)
	return succeed(`${certificate.text}\n${pin === undefined ? '' : `${pin}\n`}`)
}

type EnrolArguments = {
	readonly server?: string | undefined
	readonly offline?: boolean | undefined
	readonly origin?: string | undefined
	readonly proxy?: string | undefined
	readonly 'ca-file'?: string | undefined
}

async function enrol(
	file: string,
	{ server, offline, origin, proxy, 'ca-file': caFile }: EnrolArguments,
): Promise<number> {
	const text = await readInput(process.stdin, () => process.stderr.write('Paste the code and press Enter:\n'))
	const from = { text, file, isOffline: offline === true, host: hostname(), clock: systemClock }
	const { agent, relay, keyFile, enrolled } = await enrolAgent({ ...from, server, origin, proxy, caFile })
	const place = `agent ${agent} on ${relay.namespace}/${relay.hybridConnection}`
	const lines =
		enrolled === undefined
			? [`set up as ${place}`, `a key of Azure Relay is in ${keyFile}: it works until the agent is removed`]
			: [
					`enrolled as ${place}`,
					`the key is in ${keyFile}, with the fingerprint ${enrolled.fingerprint}`,
					`compare it with: rollcall agent list ${enrolled.tenant}`,
				]
	return succeed(`${[...lines, `the settings are in ${file}`].join('\n')}\n`)
}

type SetupArguments = ConnectionArguments & {
	readonly config?: string | undefined
	readonly origin?: string | undefined
	readonly 'trust-fingerprint'?: string | undefined
	readonly 'origin-token-file'?: string | undefined
	readonly yes?: boolean | undefined
	readonly name?: string | undefined
	readonly user?: string | undefined
	readonly winsw?: string | undefined
	readonly 'no-service'?: boolean | undefined
}

function setup(options: SetupArguments): Promise<number> {
	const prompt = terminalPrompt({ input: process.stdin, output: process.stderr })
	const { name, user, winsw } = options
	return setUp(
		{
			file: options.config ?? join(settingsFolder(), 'relay.json'),
			origin: options.origin,
			fingerprint: options['trust-fingerprint'],
			tokenFile: options['origin-token-file'],
			service: options['no-service'] ? undefined : { id: serviceId(name), user, winsw },
			isConfirmed: options.yes ?? false,
		},
		{ prompt, connect: connectionOf(options, prompt), machine: thisMachine, clock: systemClock },
	)
}

/** On Windows, the account of the service can read the folder of the agent. */
const settingsFolder = (): string =>
	process.platform === 'win32' ? dirname(ownFiles.program ?? ownFiles.node) : '/etc/rollcall-relay'

type ConnectionArguments = {
	readonly offline?: boolean | undefined
	readonly proxy?: string | undefined
	readonly 'ca-file'?: string | undefined
	readonly namespace?: string | undefined
	readonly 'hybrid-connection'?: string | undefined
	readonly 'key-name'?: string | undefined
	readonly 'key-file'?: string | undefined
}

/** By a code, or by a key if the options name one. */
function connectionOf(options: ConnectionArguments, prompt: Prompt): Connect {
	const { namespace, 'hybrid-connection': hybridConnection, 'key-name': keyName, 'key-file': keyFile } = options
	const network = { proxy: options.proxy, caFile: options['ca-file'] }
	const named = [namespace, hybridConnection, keyName, keyFile]
	if (named.every((each) => each === undefined))
		return connectByCode({
			readCode: () => codeFrom(prompt),
			isOffline: options.offline ?? false,
			clock: systemClock,
			...network,
		})
	if (namespace === undefined || hybridConnection === undefined || keyName === undefined || keyFile === undefined)
		throw new UsageError('--namespace, --hybrid-connection, --key-name and --key-file must be used together', {
			hint: 'rollcall-relay setup --help',
		})
	return connectByKey({ namespace, hybridConnection, keyName, keyFile }, network)
}

const codeFrom = (prompt: Prompt): Promise<string> =>
	prompt.canAsk
		? prompt.askSecret('The code that "rollcall agent add" has printed (it is not shown): ')
		: readInput(process.stdin, () => undefined)

type ServiceArguments = {
	readonly config?: string | undefined
	readonly name?: string | undefined
	readonly user?: string | undefined
	readonly winsw?: string | undefined
	readonly 'dry-run'?: boolean | undefined
}

async function service(action: string | undefined, options: ServiceArguments): Promise<number> {
	const { definition, install, uninstall, restart, status, isRunning, installed } = managerOf(thisMachine)
	const id = serviceId(options.name)
	switch (action) {
		case 'status': {
			const text = status(thisMachine, id)
			print(text)
			if (!isRunning(text)) return 1
			const config = installed(thisMachine).find((each) => each.id === id)?.config
			return succeed(config === undefined ? '' : await versionLines(config))
		}
		case 'uninstall':
			uninstall(thisMachine, id)
			return succeed('uninstalled\n')
		case 'restart':
			restart(thisMachine, id)
			return succeed('restarted\n')
		case 'install': {
			const config = configFile(options.config)
			const newService = serviceFrom(id, { config, user: options.user, winsw: options.winsw }, thisMachine)
			if (options['dry-run']) return succeed(definition(newService, thisMachine))
			return succeed(`${install(newService, thisMachine)} and started\n`)
		}
		default:
			throw new UsageError('service needs one of install, uninstall, status, restart', {
				hint: 'rollcall-relay service --help',
			})
	}
}

main(process.argv.slice(2)).then(
	(code) => process.exit(code),
	(error: unknown) => {
		const isUsage = error instanceof UsageError
		process.stderr.write(`error: ${briefly(error)}\n${isUsage ? `hint: ${pasteable(error.hint, programStart)}\n` : ''}`)
		process.exit(isUsage ? 2 : 1)
	},
)
