import { createServer as createPlain, type IncomingMessage } from 'node:http'
import { createServer as createSecure } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { filesOf } from '../../agent/secret-file.ts'
import { certificate, type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'

let lab: Lab
const stops: (() => void)[] = []

beforeEach(async () => {
	lab = await startLab()
})
afterEach(async () => {
	await lab.stop()
	for (const stop of stops.splice(0)) stop()
})

type ProxyOptions = {
	/** `user:password` that the proxy accepts. */
	secret: string
	readonly challenges?: readonly string[]
	readonly isSecure?: boolean
}

/** An HTTP proxy that supports only CONNECT, and records the credentials of each attempt. */
async function startProxy(options: ProxyOptions) {
	const attempts: string[] = []
	const open = new Set<Socket>()
	const server = options.isSecure ? createSecure(certificate) : createPlain()
	server.on('connection', (socket: Socket) => open.add(socket.on('error', () => undefined)))
	server.on('connect', (incoming: IncomingMessage, socket: Socket) => {
		const [, encoded = ''] = /^Basic (.*)$/.exec(incoming.headers['proxy-authorization'] ?? '') ?? []
		const credentials = Buffer.from(encoded, 'base64').toString()
		attempts.push(credentials)
		socket.on('error', () => undefined)
		if (credentials !== options.secret) {
			const challenges = (options.challenges ?? ['Basic realm="a, b"']).map((one) => `Proxy-Authenticate: ${one}\r\n`)
			return socket.end(`HTTP/1.1 407 Proxy Authentication Required\r\n${challenges.join('')}\r\n`)
		}
		const onward = connect(Number(incoming.url?.split(':')[1]), '127.0.0.1', () => {
			socket.write('HTTP/1.1 200 OK\r\n\r\n')
			socket.pipe(onward).pipe(socket)
		})
		open.add(onward.on('error', () => socket.destroy()))
		return undefined
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	stops.push(() => {
		for (const socket of open) socket.destroy()
		server.close()
	})
	return { port: (server.address() as AddressInfo).port, attempts } // sound: it listens on TCP
}

const via = (proxy: string, more = {}) => ({ relay: { ...settings(lab.standIn, lab.origin).relay, proxy, ...more } })

/** Lets an hour pass in steps, so that each retry happens. */
async function passHour() {
	for (let minute = 0; minute < 60; minute += 5) {
		const offline = lab.log.until('offline', lab.log.count('offline') + 1)
		lab.clockForward(300_000)
		await offline
	}
}

test('credentials that a proxy refuses are sent again only after an hour', async () => {
	const options = { secret: 'me:right' }
	const { port, attempts } = await startProxy(options)
	const agent = lab.start(via(`http://me:wrong@127.0.0.1:${port}`))
	await lab.log.until('offline')
	expect(lab.log.entries[0]).toMatchObject({ trouble: 'proxy_auth', proxyStatus: 407 })
	await lab.log.until('offline', 2)
	await passHour()
	expect(attempts.length).toBeLessThanOrEqual(2)
	expect(lab.log.count('offline')).toBeGreaterThan(10)
	options.secret = 'me:wrong'
	lab.clockForward(3_600_000)
	await agent.online
	expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })
})

test('a token that is fetched through the proxy does not send refused credentials either', async () => {
	const { port, attempts } = await startProxy({ secret: 'me:right' })
	const { cert, key } = certificate
	lab.write('app.pem', cert)
	lab.write('app.key', key)
	const credentials = {
		type: 'certificate',
		tenantId: 't',
		clientId: 'c',
		certificateFile: 'app.pem',
		keyFile: 'app.key',
	}
	lab.start({
		...via(`http://me:wrong@127.0.0.1:${port}`),
		credentials: { ...credentials, authority: 'https://login.invalid' },
	})
	await lab.log.until('offline', 2)
	expect(lab.log.entries[0]).toMatchObject({ trouble: 'proxy_auth' })
	expect(attempts).toEqual(['me:wrong'])
})

test('the password of the proxy can be in a file, and a new password is used at once', async () => {
	const { port, attempts } = await startProxy({ secret: 'me:a new pass wörd' })
	lab.write('proxy.password', 'old\n')
	const agent = lab.start(via(`http://me@127.0.0.1:${port}`, { proxyPasswordFile: 'proxy.password' }))
	await lab.log.until('offline')
	lab.write('proxy.password', 'a new pass wörd\n')
	lab.clockForward(300_000)
	await agent.online
	expect(attempts).toEqual(['me:old', 'me:a new pass wörd'])
	expect(await outcome(lab.sender()(request({ method: 'PUT', body: Buffer.alloc(100_000) })))).toMatchObject({
		status: 200,
	})
})

test('the file with the password is a secret', () => {
	const { secret } = filesOf(lab.config(via('http://me@proxy:8080', { proxyPasswordFile: 'proxy.password' })))
	expect(secret).toContainEqual(expect.stringMatching(/proxy\.password$/))
})

test.each([undefined, 'http://proxy:8080', 'http://me:secret@proxy:8080'])(
	'proxyPasswordFile is refused with the proxy %s',
	(proxy) => {
		const relay = { ...settings(lab.standIn, lab.origin).relay, proxyPasswordFile: 'p', ...(proxy && { proxy }) }
		expect(() => lab.config({ relay })).toThrow(/relay\.proxyPasswordFile: needs a proxy with a user/)
	},
)

test('a proxy with TLS carries all traffic', async () => {
	const { port, attempts } = await startProxy({ secret: 'me:p@ss', isSecure: true })
	await lab.agent(via(`https://me:p%40ss@localhost:${port}`))
	expect(await outcome(lab.sender()(request({ method: 'PUT', body: Buffer.alloc(100_000) })))).toMatchObject({
		status: 200,
	})
	expect([...new Set(attempts)]).toEqual(['me:p@ss'])
})

test.each([
	[['NTLM', 'Negotiate'], /407 .*; it accepts only ntlm, negotiate, and the agent speaks only basic$/],
	[['Negotiate TlRMTVNTUAAB=, NTLM realm="a, Basic b"'], /only negotiate, ntlm,/],
	[['NTLM', 'Basic realm="proxy"'], /the proxy answered 407 Proxy Authentication Required$/],
])('a proxy that offers %j is reported', async (challenges, detail) => {
	const { port, attempts } = await startProxy({ secret: 'me:right', challenges })
	lab.start(via(`http://127.0.0.1:${port}`))
	await lab.log.until('offline')
	expect(lab.log.entries[0]).toMatchObject({ trouble: 'proxy_auth', detail: expect.stringMatching(detail) })
	expect(attempts).toEqual([''])
})
