import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type RequestEvent, respondWith } from '../functions/respond.ts'
import { createServices } from '../functions/services.ts'
import { startAzurite } from '../local/azurite.ts'
import { startServer } from '../local/server.ts'
import { addToken } from '../shared/auth/file-source.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import { systemClock } from '../shared/relay/clock.ts'
import { authority } from '../test/support/relay-stand-in/certificates.ts'
import { startStandIn } from '../test/support/relay-stand-in/stand-in.ts'
import { applicationPort } from './port.ts'

// Provisions a user through every hop of a relay on this machine. Only Azure Relay itself is a stand-in.

const folder = await mkdtemp(join(tmpdir(), 'rollcall-demo-'))
const cleanup: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })]
const tokens = { client: 'the-token-that-the-client-has', application: 'the-token-that-only-the-agent-has' }

async function demonstrate(port: number): Promise<void> {
	const ca = authority('Rollcall demo')
	const certificate = ca.issue(['DNS:localhost', 'IP:127.0.0.1'])
	const write = async (name: string, text: string) => {
		await writeFile(join(folder, name), text, { mode: 0o600 })
		await chmod(join(folder, name), 0o600)
		return join(folder, name)
	}
	await write('ca.pem', ca.cert)
	await write('listen.key', 'listenkey')
	await write('origin.token', tokens.application)

	const application = await startApplication({
		cert: await write('server.pem', certificate.cert),
		key: await write('server.key', certificate.key),
		port,
	})
	const standIn = await startStandIn({ certificate, clock: systemClock })
	cleanup.push(() => standIn.stop())
	const agent = await startAgent(await write('relay.json', JSON.stringify(agentSettings(standIn.host, port), null, 2)))
	const { url, events } = await startRollcall(standIn.host, ca.cert)

	console.log(`
  Rollcall             ${url}   tenant "headquarters", mode relay
  Azure Relay          https://${standIn.host}   a stand-in with the documented protocol
  agent                rollcall-relay run   connects out, opens no port
  application server   https://127.0.0.1:${port}/scim/app   another Rollcall, over TLS
`)

	const client = async (title: string, method: string, path: string, body?: unknown) => {
		const before = { relay: standIn.journal.entries.length, agent: agent.lines.length, app: application.lines.length }
		const response = await fetch(`${url}${path}`, {
			method,
			headers: { Authorization: `Bearer ${tokens.client}`, 'Content-Type': 'application/scim+json' },
			...(body !== undefined && { body: JSON.stringify(body) }),
		})
		const text = await response.text()
		const relayRequest = standIn.journal.entries.slice(before.relay).find(({ event }) => event === 'request')
		if (relayRequest !== undefined) await agent.until(before.agent)
		console.log(title)
		hop('client → Rollcall', `${method} ${path}`)
		hop(
			'Rollcall → Azure Relay',
			relayRequest === undefined ? 'no agent listens' : `${relayRequest.method} ${relayRequest.target}`,
		)
		for (const line of agent.lines.slice(before.agent)) {
			const { event, method, endpoint, status, milliseconds } = JSON.parse(line)
			if (event === 'request')
				hop('Azure Relay → agent', `${method} ${endpoint}, answered ${status} in ${milliseconds} ms`)
		}
		for (const line of application.lines.slice(before.app)) hop('agent → application server', line)
		hop('Rollcall → client', `${response.status} in ${events.at(-1)?.milliseconds} ms`)
		console.log(`    ${text}\n`)
		return text === '' ? undefined : JSON.parse(text)
	}

	const match = `/Users?filter=${encodeURIComponent('userName eq "joy@example.com"')}`
	await client('1. Does the user exist?', 'GET', match)
	const { id } = await client('2. Create the user.', 'POST', '/Users', {
		schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
		userName: 'joy@example.com',
		active: true,
	})
	await client('3. Disable the user, as Entra does.', 'PATCH', `/Users/${id}`, {
		schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
		Operations: [{ op: 'Replace', path: 'active', value: 'False' }],
	})
	console.log('4. The user on the application server, requested directly:')
	console.log(`    ${await askApplication(port, ca.cert, `/scim/app/Users/${id}`)}\n`)
	await agent.stop()
	await client('5. The agent is stopped. The answer is an error, not "the user does not exist".', 'GET', match)
}

const hop = (name: string, text: string) => console.log(`    ${name.padEnd(28)}${text}`)

/** Settings as an administrator would write them, plus the certificate authority of the stand-in. */
const agentSettings = (host: string, port: number) => ({
	relay: { namespace: host, hybridConnection: 'demo', caFile: 'ca.pem' },
	credentials: { type: 'sas', keyName: 'listen', keyFile: 'listen.key' },
	origin: {
		url: `https://127.0.0.1:${port}/scim/app`,
		tls: { mode: 'ca', caFile: 'ca.pem' },
		authorization: { type: 'bearer', tokenFile: 'origin.token' },
	},
})

async function startRollcall(namespace: string, ca: string) {
	const azurite = await startAzurite({ memory: true })
	cleanup.push(() => azurite.close())
	const file = join(folder, 'tokens.json')
	await addToken(file, 'headquarters', { value: tokens.client, created: new Date().toISOString() })
	const services = await createServices({
		tables: { connectionString: azurite.connectionString },
		tokens: { file },
		relay: { namespace, sas: { keyName: 'send', key: 'sendkey' }, ca },
	})
	await services.tenants.createTenant({
		name: 'headquarters',
		mode: 'relay',
		settings: { hybridConnection: 'demo' },
	})
	const events: RequestEvent[] = []
	const server = await startServer({ port: 0, respond: respondWith(services), log: (event) => events.push(event) })
	cleanup.push(() => server.close())
	return { url: `${server.url}/scim/headquarters`, events }
}

type ChildProgram = {
	/** The lines of its log so far. */
	readonly lines: readonly string[]
	/** Resolves when there are more than `count` lines. Rejects if the program ends. */
	until(count: number): Promise<void>
	stop(): Promise<void>
}

type ApplicationOptions = { readonly cert: string; readonly key: string; readonly port: number }

function startApplication({ cert, key, port }: ApplicationOptions): Promise<ChildProgram> {
	const tls = ['--tls-cert', cert, '--tls-key', key]
	const options = ['--port', String(port), '--ephemeral', '--tenant', 'app', '--token', tokens.application]
	return start('../local/main.js', [...options, ...tls], (child) => child.stdout)
}

const startAgent = (config: string): Promise<ChildProgram> =>
	start('../relay/main.js', ['run', '--config', config], (child) => child.stderr)

/** Starts a program of this build, and waits for the first line on the stream to which it logs requests. */
async function start(
	script: string,
	args: readonly string[],
	streamOf: (child: ChildProcess) => ChildProcess['stdout'],
): Promise<ChildProgram> {
	const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url)), ...args])
	const lines: string[] = []
	const waiting = new Set<() => void>()
	const logStream = streamOf(child)
	for (const stream of [child.stdout, child.stderr]) {
		createInterface(stream).on('line', (line) => {
			if (stream === logStream) lines.push(line)
			else console.error(line)
			for (const notify of waiting) notify()
		})
	}
	const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
	const until = (count: number): Promise<void> =>
		new Promise((resolve, reject) => {
			const notify = () => lines.length > count && resolve()
			waiting.add(notify)
			notify()
			void ended.then(() => reject(new Error(`${script} has ended`)))
		})
	const stop = async () => {
		child.kill()
		await ended
	}
	cleanup.push(stop)
	await until(0)
	return { lines, until, stop }
}

const askApplication = (port: number, ca: string, path: string): Promise<string> =>
	new Promise((resolve, reject) => {
		const headers = { Authorization: `Bearer ${tokens.application}` }
		const options = { host: '127.0.0.1', port, path, ca, headers, agent: new Agent({ keepAlive: false }) }
		const outgoing = request(options, async (response) => {
			const chunks: Buffer[] = []
			for await (const chunk of response) chunks.push(chunk)
			resolve(Buffer.concat(chunks).toString())
		})
		outgoing.on('error', reject)
		outgoing.end()
	})

try {
	await demonstrate(await applicationPort(process.argv.slice(2), console.log))
} catch (error) {
	console.error(`error: ${error instanceof Error ? error.message : error}`)
	if (error instanceof UsageError) console.error(`hint: ${error.hint}`)
	process.exitCode = error instanceof UsageError ? 2 : 1
} finally {
	for (const undo of cleanup.reverse()) await undo()
}
