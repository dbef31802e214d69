// Microsoft's own library, in its own process because the library replaces https.Server for the whole process.
//
// node hyco.cjs listen FOLDER PORT: answers every request with its method, target, length and hash.
//
// node hyco.cjs send FOLDER PORT METHOD PATH LENGTH: prints status and body as JSON.
const { createHash } = require('node:crypto')
const { join } = require('node:path')

const [, , role, folder, port, method, path, length] = process.argv
const hyco = require(join(folder, 'node_modules/hyco-https'))
const base = 'http://localhost/demo'

function listen() {
	const server = hyco.createRelayedServer(
		{
			server: `wss://localhost:${port}/$hc/demo?sb-hc-action=listen`,
			token: () => hyco.createRelayToken(base, 'listen', 'listenkey'),
		},
		(request, response) => {
			const hash = createHash('sha256')
			let received = 0
			request.on('data', (chunk) => {
				received += chunk.length
				hash.update(chunk)
			})
			request.on('end', () => {
				const status = request.method === 'DELETE' ? 204 : 200
				response.setHeader('content-type', 'application/json')
				response.setHeader('x-scim-relay-agent', '33333333-3333-4333-8333-333333333333;v=1;hc=demo')
				response.setHeader('x-scim-relay-outcome', 'completed')
				response.setHeader('x-scim-relay-base', '/scim')
				response.writeHead(status)
				const target = request.url.slice(request.url.indexOf('/scim'))
				const filler = 'x'.repeat(Number(/fill=(\d+)/.exec(target)?.[1] ?? 0))
				if (status === 204) response.end()
				else
					response.end(
						JSON.stringify({ method: request.method, target, length: received, hash: hash.digest('hex'), filler }),
					)
			})
		},
	)
	server.on('error', (error) => process.stderr.write(`${error}\n`))
	server.listen()
}

function send() {
	const body = 'x'.repeat(Number(length))
	const request = require('node:https').request(
		{
			host: 'localhost',
			port,
			method,
			path,
			headers: {
				ServiceBusAuthorization: hyco.createRelayToken(base, 'send', 'sendkey'),
				...(body.length > 0 && { 'Content-Length': body.length }),
			},
		},
		(response) => {
			let text = ''
			response.on('data', (chunk) => {
				text += chunk
			})
			response.on('end', () => {
				process.stdout.write(
					JSON.stringify({ status: response.statusCode, body: text === '' ? undefined : JSON.parse(text) }),
					() => process.exit(0),
				)
			})
		},
	)
	request.end(body)
}

if (role === 'listen') listen()
else send()
