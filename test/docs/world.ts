import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll } from 'vitest'
import { systemClock } from '../../shared/relay/clock.ts'
import { deployedBefore, newSubscription, startStub } from '../infra/subscription.ts'
import { type Azure, useAzure } from '../support/azure/azure.ts'
import { copyBuilt } from '../support/built.ts'
import { useGraph } from '../support/graph/graph.ts'
import { selfSigned } from '../support/relay-stand-in/certificates.ts'
import { type Lab, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { resource } from '../support/relay-stand-in/origin.ts'

/** A clone of the project with everything around it that the pages speak of. */
export type World = {
	/** A tenant on this machine, on a host that is also the app of the deployment in Azure. */
	readonly url: string
	/** Runs a script of bash in the clone, where the deployment has been done or is still to be done. */
	run(script: string, options?: { readonly isDeployed?: boolean }): Promise<Ended>
}

/** The token that is accepted there. */
const token = 'yWJtYm9sdC1hbmQtbnV0cy1hcmUtbm90LXJlYWw'

export type Ended = { readonly status: unknown; readonly out: string; readonly err: string }

/** What the programs of the system are; there are no others. */
const real = ['bash', 'cat', 'dirname', 'env', 'grep', 'head', 'mktemp', 'openssl', 'rm', 'sed']

const pathOf = (program: string): string =>
	execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim()

/** Runs a server until it has said something, then stops it as Ctrl-C does. */
const untilSaid = `until_said() {
	: >server.log # or what an earlier one said would be read
	"\${@:2}" >server.log 2>&1 &
	while ! grep -q "$1" server.log; do
		kill -0 $! 2>/dev/null || { cat server.log >&2; wait $!; exit; }
		${pathOf('sleep')} 0.1
	done
	kill $! && wait $!
}`

/** What stands in for a program, or goes before it. */
const programs: Readonly<Record<string, string>> = {
	sleep: 'exit 0',
	curl: `for each in "$@"; do given+=("\${each/#https:\\/\\/rollcall-app.azurewebsites.net/$HOST_URL}"); done
exec ${pathOf('curl')} --fail-with-body "\${given[@]}"`,
	node: `[ "$1" != /opt/rollcall-relay/main.js ] || exec rollcall-relay "\${@:2}"
exec '${process.execPath}' "$@"`,
	// Who removes a tenant is asked for its name.
	rollcall: `NODE_OPTIONS=$ROLLCALL_NODE_OPTIONS exec node dist/cli/main.js "$@" <<<"\${3-}"`,
	'rollcall-relay': `${untilSaid}
case "$1 $2" in
	run\\ *) until_said '"event":"online"' node dist/relay/main.js "$@" ;;
	# What is installed is only shown, not to change this machine.
	'service install') exec node dist/relay/main.js "$@" --dry-run ;;
	*) exec node dist/relay/main.js "$@" ;;
esac`,
	// No test is run inside of a test: its file must be there.
	npx: `case "$*" in
	'vitest run '*) for each in "\${@:3}"; do case "$each" in test/*) [ -e '${resolve('.')}'/"$each" ] || exit 1 ;; esac; done ;;
	# These .ci/run does itself.
	'tsc -p .' | 'biome ci .' | knip) ;;
	*) echo "npx does not know $*" >&2 && exit 127 ;;
esac`,
	npm: `${untilSaid}
case "$*" in
	# These .ci/run does itself.
	ci | 'ci --no-audit --no-fund' | test | 'run build' | 'run check' | 'run demo:relay' | 'run demo:relay -- --port '*) ;;
	# It asks the real npm for the packages of the project.
	'run package') dist=$PWD/dist && cd '${resolve('.')}' && PATH='${process.env.PATH}' exec node package.mjs "$dist" ;;
	'run rollcall -- '*) exec rollcall "\${@:4}" ;;
	'run --silent rollcall -- '*) exec rollcall "\${@:5}" ;;
	start | 'start -- '*) until_said 'Secret Token' node dist/local/main.js "\${@:3}" --ephemeral --port 0 ;;
	# It needs Azure Relay.
	'run relay:conformance -- '*) exec node dist/conformance/main.js "\${@:4}" --help ;;
	*) echo "npm does not know $*" >&2 && exit 127 ;;
esac`,
}

/** One world for a test file; call the result inside a test. */
export function useWorld(): () => World {
	const azure = useAzure()
	const graphOf = useGraph()
	let folder = ''
	let url = ''
	let host: ChildProcess | undefined
	let lab: Lab | undefined
	let stub: Awaited<ReturnType<typeof startStub>> | undefined
	beforeAll(async () => {
		// Beside the packages, so that Azurite, which is not bundled, is found from there.
		mkdirSync('node_modules/.cache', { recursive: true })
		folder = mkdtempSync(resolve('node_modules/.cache/rollcall-docs-'))
		await copyBuilt(join(folder, 'dist'))
		cpSync('infra', join(folder, 'infra'), { recursive: true })
		lab = await startLab({ serviceClock: systemClock })
		lab.origin.answer = (_, response) => resource(response, 200)
		stub = await startStub()
		furnish(folder, lab, stub.clientFor('az'))
		const { child, says } = startHost(folder)
		host = child
		url = /^Tenant URL +(.*)$/m.exec(await says)?.[1] ?? ''
	})
	afterAll(async () => {
		host?.kill()
		stub?.stop()
		await lab?.stop()
		rmSync(folder, { recursive: true })
	})
	return () => {
		const { directory, envOf } = graphOf()
		directory.groups.set('sales', { id: 'sales', displayName: 'Sales' })
		directory.users.set('ada', { id: 'ada', userPrincipalName: 'ada@contoso.com', displayName: 'Ada' })
		const env = envOf(azure())
		return { url, run: (script, { isDeployed = true } = {}) => run({ folder, env, url, isDeployed }, script) }
	}
}

function startHost(folder: string) {
	const args = ['dist/local/main.js', '--ephemeral', '--port', '0', '--token', token]
	const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
	// It goes on to write a line for each request.
	const says = new Promise<string>((resolve) => child.stdout.on('data', (text) => resolve(String(text))))
	return { child, says }
}

/** The programs, and the files of an administrator. */
function furnish(folder: string, lab: Lab, az: string): void {
	mkdirSync(join(folder, 'bin'))
	for (const name of real) symlinkSync(pathOf(name), join(folder, 'bin', name))
	for (const [name, script] of Object.entries({ ...programs, az })) {
		writeFileSync(join(folder, 'bin', name), `#!${pathOf('bash')}\n${script}\n`)
		chmodSync(join(folder, 'bin', name), 0o755)
	}
	const { cert, key } = selfSigned(['DNS:localhost'])
	const files = {
		// Who removes everything is asked for the name of the group.
		answer: 'rollcall\n',
		'relay.json': JSON.stringify(settings(lab.standIn, lab.origin)),
		'ca.pem': lab.ca,
		'listen.key': 'listenkey',
		'origin.token': 'origin-secret',
		'server.pem': cert,
		'server.key': key,
	}
	for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content, { mode: 0o600 })
}

type Place = { readonly folder: string; readonly env: Azure['env']; readonly url: string; readonly isDeployed: boolean }

async function run({ folder, env: given, url, isDeployed }: Place, script: string): Promise<Ended> {
	const { NODE_OPTIONS: ROLLCALL_NODE_OPTIONS, AZ_TOKENS = '', AZ_OUTPUTS = '', ...env } = given
	const subscription = {
		...newSubscription,
		...(isDeployed ? deployedBefore : { groups: {} }),
		accessTokens: JSON.parse(AZ_TOKENS),
		outputs: { ...newSubscription.outputs, ...JSON.parse(AZ_OUTPUTS) },
	}
	writeFileSync(join(folder, 'state.json'), JSON.stringify(subscription))
	const child = spawn(pathOf('bash'), ['--norc', '-euc', `exec <answer\n${script}`], {
		stdio: ['ignore', 'pipe', 'pipe'],
		cwd: folder,
		timeout: 240_000,
		env: {
			...{ ...env, ROLLCALL_NODE_OPTIONS, PATH: join(folder, 'bin'), TMPDIR: folder },
			...{ STUB_STATE: join(folder, 'state.json'), STUB_CALLS: join(folder, 'calls') },
			...{ URL: url, TOKEN: token, HOST_URL: new URL(url).origin },
		},
	})
	const [out, err, [status, signal]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
	return { status: status ?? signal, out, err }
}
