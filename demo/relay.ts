import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type RequestEvent, respondWith } from '../functions/respond.ts'
import { createServices } from '../functions/services.ts'
import { startAzurite } from '../local/azurite.ts'
import { startServer } from '../local/server.ts'
import { addToken } from '../shared/auth/file-source.ts'
import { systemClock } from '../shared/relay/clock.ts'
import { authority } from '../test/support/relay-stand-in/certificates.ts'
import { startStandIn } from '../test/support/relay-stand-in/stand-in.ts'

// A user is provisioned through every hop of a relay on this machine. Only Azure Relay itself is a stand-in.

const port = 11015
const folder = await mkdtemp(join(tmpdir(), 'rollcall-demo-'))
const cleanup: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })]
const tokens = { client: 'the-token-that-the-client-has', application: 'the-token-that-only-the-agent-has' }

async function demonstrate(): Promise<void> {
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
	})
	const standIn = await startStandIn({ certificate, clock: systemClock })
	cleanup.push(() => standIn.stop())
	const agent = await startAgent(await write('relay.json', JSON.stringify(agentSettings(standIn.host), null, 2)))
	const { url, events } = await startRollcall(standIn.host, ca.cert)

	console.log(`
  Rollcall             ${url}   tenant "headquarters", mode relay
  Azure Relay          https://${standIn.host}   a stand-in that speaks its documented protocol
  agent                rollcall-relay run   dialled out, listens at no port
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
		const asked = standIn.journal.entries.slice(before.relay).find(({ event }) => event === 'request')
		if (asked !== undefined) await agent.until(before.agent)
		console.log(title)
		hop('client → Rollcall', `${method} ${path}`)
		hop('Rollcall → Azure Relay', asked === undefined ? 'no agent listens' : `${asked.method} ${asked.target}`)
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
	await client('1. Is she there?', 'GET', match)
	const { id } = await client('2. She is created.', 'POST', '/Users', {
		schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
		userName: 'joy@example.com',
		active: true,
	})
	await client('3. She is disabled, as Entra does it.', 'PATCH', `/Users/${id}`, {
		schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
		Operations: [{ op: 'Replace', path: 'active', value: 'False' }],
	})
	console.log('4. What the application server itself has, asked directly:')
	console.log(`    ${await askApplication(ca.cert, `/scim/app/Users/${id}`)}\n`)
	await agent.stop()
	await client('5. The agent is stopped. Nobody is told that she does not exist.', 'GET', match)
}

const hop = (where: string, what: string) => console.log(`    ${where.padEnd(28)}${what}`)

/** Settings as an administrator would write them, for a namespace with a certificate of our own. */
const agentSettings = (host: string) => ({
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
	/** What it has said so far. */
	readonly lines: readonly string[]
	/** Resolves when there are more lines than so many. */
	until(count: number): Promise<void>
	stop(): Promise<void>
}

/** The port is where application servers have their SCIM endpoint, and no other will do. */
async function assertFree(): Promise<void> {
	const server = createServer().listen(port, '127.0.0.1')
	const [error] = await Promise.race([once(server, 'listening').then(() => []), once(server, 'error')])
	if (error) throw new Error(`port ${port} is taken (${error.code}): end what listens there`)
	await new Promise((resolve) => server.close(resolve))
}

async function startApplication({ cert, key }: { readonly cert: string; readonly key: string }): Promise<ChildProgram> {
	await assertFree()
	const tls = ['--tls-cert', cert, '--tls-key', key]
	const options = ['--port', String(port), '--ephemeral', '--tenant', 'app', '--token', tokens.application]
	return start('../local/main.js', [...options, ...tls], (child) => child.stdout)
}

const startAgent = (config: string): Promise<ChildProgram> =>
	start('../relay/main.js', ['run', '--config', config], (child) => child.stderr)

/** Starts a program of this build and waits for its first line on the stream that it tells of requests on. */
async function start(
	script: string,
	args: readonly string[],
	streamOf: (child: ChildProcess) => ChildProcess['stdout'],
): Promise<ChildProgram> {
	const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url)), ...args])
	const lines: string[] = []
	const waiting = new Set<() => void>()
	const said = streamOf(child)
	for (const stream of [child.stdout, child.stderr]) {
		createInterface(stream).on('line', (line) => {
			if (stream === said) lines.push(line)
			else console.error(line)
			for (const look of waiting) look()
		})
	}
	const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
	const until = (count: number): Promise<void> =>
		new Promise((resolve, reject) => {
			const look = () => lines.length > count && resolve()
			waiting.add(look)
			look()
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

const askApplication = (ca: string, path: string): Promise<string> =>
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
	await demonstrate()
} catch (error) {
	console.error(`error: ${error instanceof Error ? error.message : error}`)
	process.exitCode = 1
} finally {
	for (const step of cleanup.reverse()) await step()
}
