// Plays the Node worker of Azure Functions for a built app. It gives the app `@azure/functions-core`, which only the worker
// has, and loads the `main` of the app's package.json. It runs invocations through the app's own programming model.
// It writes one JSON value a line: first how long loading took and the registered functions. Then, for each invocation
// that it reads, the response and the milliseconds from the start of loading. Its clock is ahead by WORKER_CLOCK_AHEAD
// milliseconds. The process is killed instead of sending more than WORKER_REQUESTS requests over HTTP.
const Module = require('node:module')
const { join } = require('node:path')
const { createInterface } = require('node:readline')
const { pathToFileURL } = require('node:url')

// The real worker speaks gRPC to its host, so an app finds these loaded.
for (const name of ['http', 'http2', 'https', 'tls', 'zlib']) require(`node:${name}`)

const ahead = Number(process.env.WORKER_CLOCK_AHEAD ?? 0)
const present = Date.now
Date.now = () => present() + ahead

const http = require('node:http')
let left = Number(process.env.WORKER_REQUESTS ?? Number.POSITIVE_INFINITY)
const send = http.request
http.request = (...args) => {
	if (left-- <= 0) process.kill(process.pid, 'SIGKILL')
	return send(...args)
}
Module.syncBuiltinESMExports()

const folder = process.argv[2]
const functions = new Map()
let model

const core = {
	version: '3.12.0',
	hostVersion: '4.1044.0',
	log() {},
	setProgrammingModel(given) {
		model = given
	},
	registerFunction(metadata, callback) {
		functions.set(metadata.name, { metadata, callback })
	},
	registerHook: () => ({ dispose() {} }),
}

const load = Module._load
Module._load = (request, ...rest) => (request === '@azure/functions-core' ? core : load(request, ...rest))

/** The binding that the library names by itself. */
const triggerOf = ({ bindings }) => Object.entries(bindings).find(([, { type }]) => type.endsWith('Trigger'))

/** `http` is a request; a timer has none. */
async function invoke({ functionName, invocationId, http }) {
	const { metadata, callback } = functions.get(functionName)
	const [name] = triggerOf(metadata)
	const logs = []
	const invocation = model.getInvocationModel({
		invocationId,
		metadata,
		request: {
			invocationId,
			inputData: [{ name, data: http ? { http } : { json: '{"isPastDue":false}' } }],
			triggerMetadata: {},
		},
		log: (level, category, message) => logs.push({ level, category, message }),
		state: undefined,
	})
	const { context, inputs } = await invocation.getArguments()
	const result = await invocation.invokeFunction(context, inputs, callback)
	const { returnValue } = await invocation.getResponse(context, result)
	if (!http) return { logs }
	const { statusCode, headers, body } = returnValue.http
	return { statusCode, headers, body: Buffer.from(body.bytes).toString(), logs }
}

const write = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)

async function main() {
	const { main: entry } = require(join(folder, 'package.json'))
	const started = performance.now()
	await import(pathToFileURL(join(folder, entry)).href)
	const loadMilliseconds = performance.now() - started
	const capabilities = await model.getCapabilities({})
	write({
		loadMilliseconds,
		capabilities,
		functions: [...functions.values()].map(({ metadata }) => ({
			name: metadata.name,
			trigger: triggerOf(metadata)[1],
		})),
	})
	for await (const line of createInterface({ input: process.stdin })) {
		const answer = await invoke(JSON.parse(line))
		write({ ...answer, answeredMilliseconds: performance.now() - started })
	}
}

main().catch((error) => {
	process.stderr.write(`${error.stack}\n`)
	process.exitCode = 1
})
