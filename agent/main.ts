import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { nearest } from '../shared/cli/nearest.ts'
import { explained, UsageError } from '../shared/cli/usage-error.ts'
import { systemClock } from '../shared/relay/clock.ts'
import { readConfig } from './config.ts'
import { writeBundle } from './doctor/bundle.ts'
import { showCertificate } from './doctor/certificate.ts'
import type { CloudTenant } from './doctor/cloud.ts'
import { diagnose, report } from './doctor/doctor.ts'
import { briefly, jsonLog } from './log.ts'
import { pasteable } from './program.ts'
import { run } from './run.ts'
import { filesOf } from './secret-file.ts'
import { managerOf, thisMachine } from './service.ts'
import type { Service } from './service-manager.ts'
import { version } from './version.ts'

// Answers go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 used or configured wrongly.

const help = {
	run: `rollcall-relay run --config FILE

Listens until SIGTERM or Ctrl+C, then finishes what is under way. SIGHUP reads FILE again.
`,
	doctor: `rollcall-relay doctor --config FILE

Checks everything the agent needs, says what is wrong and what would help.

  --json                             the same for programs
  --listen                           where no agent can be asked, listen for a moment, serving what comes
  --cloud URL --token-file FILE      go the whole way too, from https://HOST/scim/TENANT with a client's token
  --bundle FILE                      write findings, settings without secrets, versions and the log into a file
  --save-certificate PEM             write the certificate that the SCIM server shows into a file, to be pinned
`,
	service: `rollcall-relay service install --config FILE --user NAME     on Linux
rollcall-relay service install --config FILE --winsw FILE    on Windows
rollcall-relay service status
rollcall-relay service uninstall

Makes a service of systemd or of Windows, which starts with the machine. Installed again, it is brought up to date and
started anew. The exit code of "status" is 0 while the service runs, else 1.

  --user NAME                        whom the service runs as
  --winsw FILE                       WinSW-x64.exe 2.12.0, from https://github.com/winsw/winsw/releases
  --dry-run                          print what would be installed, change nothing
`,
	version: `rollcall-relay version

Prints the version.
`,
} as const

const usage = `rollcall-relay connects a SCIM server that only its own network reaches to Rollcall, dialling out only.

  rollcall-relay run --config FILE         listen until SIGTERM
  rollcall-relay doctor --config FILE      check everything the agent needs
  rollcall-relay service install           run it as a service; also: status, uninstall
  rollcall-relay version                   print the version

rollcall-relay COMMAND --help tells the options. See docs/relay.md for the settings.
`

/** The options of each command, beside --help. */
const options = {
	run: ['config'],
	doctor: ['config', 'json', 'listen', 'cloud', 'token-file', 'bundle', 'save-certificate'],
	service: ['config', 'user', 'winsw', 'dry-run'],
	version: [],
} as const satisfies Record<keyof typeof help, readonly string[]>

const started = { script: process.argv[1] ?? '', cwd: process.cwd() }
const print = (text: string) => process.stdout.write(text)
// What collects the log may be started anew, as journald is at an upgrade: that is no reason to end.
process.stderr.on('error', () => undefined)
const log = jsonLog((line) => process.stderr.write(line), Date.now)

async function main(args: readonly string[]): Promise<number> {
	const { positionals, values } = parse(args)
	const [command, ...more] = positionals
	if (command === undefined && !values.help) throw new UsageError('no command', { hint: 'rollcall-relay --help' })
	if (command === undefined || command === 'help') return done(usage)
	if (!isCommand(command)) throw unknown('command', command, Object.keys(help))
	if (values.help) return done(help[command])
	refuseOthers(command, Object.keys(values), command === 'service' ? more.slice(1) : more)
	switch (command) {
		case 'run':
			return run(configFile(values.config), { log, version })
		case 'doctor':
			return doctor(configFile(values.config), values)
		case 'service':
			return service(more[0], values)
		case 'version':
			return done(`${version}\n`)
	}
}

const isCommand = (word: string): word is keyof typeof help => Object.hasOwn(help, word)

function refuseOthers(command: keyof typeof help, given: readonly string[], words: readonly string[]): void {
	const known: readonly string[] = options[command]
	const other = given.find((option) => !known.includes(option))
	const what = other === undefined ? words[0] : `--${other}`
	if (what === undefined) return
	throw new UsageError(`${command} knows no ${what}`, { hint: `rollcall-relay ${command} --help` })
}

const declared = {
	help: { type: 'boolean', short: 'h' },
	config: { type: 'string', short: 'c' },
	json: { type: 'boolean' },
	'save-certificate': { type: 'string' },
	listen: { type: 'boolean' },
	cloud: { type: 'string' },
	'token-file': { type: 'string' },
	bundle: { type: 'string' },
	user: { type: 'string' },
	winsw: { type: 'string' },
	'dry-run': { type: 'boolean' },
} as const

function parse(args: readonly string[]) {
	try {
		return parseArgs({ args: [...args], options: declared, allowPositionals: true })
	} catch (error) {
		const message = briefly(error)
		const [, option] = /^Unknown option '(--?[^']+)'/.exec(message) ?? []
		if (option === undefined) throw new UsageError(message, { hint: 'rollcall-relay --help', cause: error })
		const known = Object.keys(declared).map((name) => `--${name}`)
		throw unknown('option', option, known, error)
	}
}

function unknown(what: string, given: string, known: readonly string[], cause?: unknown): UsageError {
	const guess = nearest(given, known)
	const hint = guess === undefined ? 'rollcall-relay --help' : `Did you mean ${guess}?`
	return new UsageError(`unknown ${what} ${given}`, { hint, cause })
}

function done(text: string): number {
	print(text)
	return 0
}

function configFile(file: string | undefined): string {
	if (file === undefined) throw new UsageError('no configuration', { hint: 'Name it: --config FILE' })
	return file
}

type DoctorArguments = {
	readonly json?: boolean | undefined
	readonly 'save-certificate'?: string | undefined
	readonly listen?: boolean | undefined
	readonly cloud?: string | undefined
	readonly 'token-file'?: string | undefined
	readonly bundle?: string | undefined
}

async function doctor(file: string, options: DoctorArguments): Promise<number> {
	const { json = false, listen = false, 'save-certificate': pem, bundle } = options
	if (pem !== undefined) return saveCertificate(file, pem)
	const own = { clock: systemClock, machine: thisMachine }
	const found = await diagnose(file, { ...own, cloud: cloudOf(options), isListening: listen })
	const findings = found.map((finding) => ({
		...finding,
		...(finding.remedy !== undefined && { remedy: pasteable(finding.remedy, started) }),
	}))
	print(json ? `${JSON.stringify(findings, null, 2)}\n` : report(findings))
	if (bundle !== undefined)
		await explained(`${bundle} cannot be written`, 'Name another file: --bundle FILE', () =>
			writeBundle(bundle, { config: file, findings, machine: thisMachine, version }),
		)
	return findings.some(({ verdict }) => verdict === 'FAIL') ? 1 : 0
}

function cloudOf({ cloud: url, 'token-file': tokenFile }: DoctorArguments): CloudTenant | undefined {
	if (url === undefined && tokenFile === undefined) return undefined
	if (url === undefined || tokenFile === undefined)
		throw new UsageError('--cloud and --token-file belong together', { hint: 'rollcall-relay --help' })
	if (!/^https:\/\/|^http:\/\/(127\.0\.0\.1|localhost)[:/]/.test(url) || !URL.canParse(url))
		throw new UsageError(`--cloud ${url} is not the address of a tenant`, { hint: 'https://HOST/scim/TENANT' })
	return { url, tokenFile }
}

async function saveCertificate(file: string, pem: string): Promise<number> {
	const shown = await showCertificate(readConfig(file))
	await explained(`${pem} cannot be written`, 'Name another file: --save-certificate PEM', () =>
		writeFileSync(pem, shown.pem),
	)
	return done(`${shown.text}\nwritten to ${pem}\n`)
}

type ServiceArguments = {
	readonly config?: string | undefined
	readonly user?: string | undefined
	readonly winsw?: string | undefined
	readonly 'dry-run'?: boolean | undefined
}

function service(action: string | undefined, options: ServiceArguments): number {
	const { definition, install, uninstall, status, isRunning } = managerOf(thisMachine)
	switch (action) {
		case 'status': {
			const text = status(thisMachine)
			print(text)
			return isRunning(text) ? 0 : 1
		}
		case 'uninstall':
			uninstall(thisMachine)
			return done('uninstalled\n')
		case 'install': {
			const wanted = wantedService(options)
			if (options['dry-run']) return done(definition(wanted, thisMachine))
			return done(`${install(wanted, thisMachine)} and started\n`)
		}
		default:
			throw new UsageError('service does install, uninstall or status', { hint: 'rollcall-relay service --help' })
	}
}

function wantedService({ config, user, winsw }: ServiceArguments): Service {
	const file = resolve(configFile(config))
	const agent = { node: process.execPath, program: fileURLToPath(import.meta.url) }
	return { ...agent, config: file, files: filesOf(readConfig(file)), user, winsw }
}

main(process.argv.slice(2)).then(
	(code) => process.exit(code),
	(error: unknown) => {
		const isUsage = error instanceof UsageError
		process.stderr.write(`error: ${briefly(error)}\n${isUsage ? `hint: ${pasteable(error.hint, started)}\n` : ''}`)
		process.exit(isUsage ? 2 : 1)
	},
)
