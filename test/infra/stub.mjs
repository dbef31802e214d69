// Stands in for az, npm and curl. It has a small model of a subscription in a file, which it reads and changes. It appends
// each call to another file. Like the real az, it refuses unknown commands and options, and missing options that a command
// needs. The programs that the scripts start are clients of this one, because the start of Node takes longer than an answer.
// A request is a number and as many fields, an answer is the exit code, stdout and stderr; each ends with a NUL.

import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { strToU8, unzipSync, zipSync } from 'fflate'

/** The call that is answered: its folder, its arguments, and the model. Calls are answered one by one. */
let cwd
let args
let state

class Refusal extends Error {
	constructor(message, status = 1, out = '') {
		super(message)
		this.status = status
		this.out = out
	}
}

/** From `az COMMAND --help`. An option takes one value, except the flags and lists below. */
const commands = {
	version: {},
	'bicep version': {},
	'bicep upgrade': {},
	login: { optional: ['--tenant', '--use-device-code'] },
	'account show': {},
	'account get-access-token': { optional: ['--resource', '--resource-type', '--scope', '--tenant'] },
	'ad signed-in-user show': {},
	'group exists': { required: ['--name'] },
	'group create': { required: ['--name', '--location'], optional: ['--tags'] },
	'group delete': { required: ['--name'], optional: ['--yes', '--no-wait'] },
	'resource list': { optional: ['--resource-group', '--resource-type'] },
	'deployment group create': {
		required: ['--resource-group', '--parameters'],
		optional: ['--name', '--template-file', '--what-if', '--mode'],
	},
	'deployment group show': { required: ['--resource-group', '--name'] },
	'functionapp list-flexconsumption-locations': {},
	'functionapp list-flexconsumption-runtimes': { required: ['--location'], optional: ['--runtime'] },
	'functionapp deployment source config-zip': {
		required: ['--resource-group', '--name', '--src'],
		optional: ['--build-remote', '--timeout', '--slot'],
	},
	'keyvault show': { required: ['--name'], optional: ['--resource-group'] },
	'keyvault purge': { required: ['--name'], optional: ['--location'] },
	'keyvault recover': { required: ['--name'], optional: ['--location', '--resource-group'] },
	'lock create': {
		required: ['--name', '--lock-type'],
		optional: ['--resource-group', '--resource', '--resource-type', '--notes'],
	},
	'provider register': { required: ['--namespace'], optional: ['--wait'] },
}
const flags = new Set(['--yes', '--no-wait', '--what-if', '--wait', '--use-device-code'])
const lists = new Set(['--parameters', '--tags'])

function parse() {
	const words = args.findIndex((each) => each.startsWith('--'))
	const command = args.slice(0, words === -1 ? args.length : words).join(' ')
	const known = commands[command]
	if (known === undefined) throw new Refusal(`'${command}' is misspelled or not recognized by the system.`, 2)
	if (args.includes('--help')) return undefined
	const options = {}
	for (const each of args.slice(command.split(' ').length)) {
		const name = Object.keys(options).at(-1)
		if (each.startsWith('--')) options[each] = []
		else if (name === undefined || flags.has(name) || (options[name].length > 0 && !lists.has(name)))
			throw new Refusal(`unrecognized arguments: ${each}`, 2)
		else options[name].push(each)
	}
	const { required = [], optional = [] } = known
	const allowed = new Set([...required, ...optional, '--query', '--output'])
	for (const [name, values] of Object.entries(options)) {
		if (!allowed.has(name)) throw new Refusal(`unrecognized arguments: ${name}`, 2)
		if (!flags.has(name) && values.length === 0) throw new Refusal(`argument ${name}: expected one argument`, 2)
	}
	for (const name of required) {
		if (options[name] === undefined) throw new Refusal(`the following arguments are required: ${name}`, 2)
	}
	return {
		command,
		option: (name) => options[name]?.[0],
		list: (name) => options[name] ?? [],
		has: (name) => name in options,
	}
}

/** The names of the files in a zip archive. */
const namesInZip = (path) => Object.keys(unzipSync(readFileSync(path))).sort()

function failWhile(count, message) {
	if (state[count] === 0) return
	state[count]--
	throw new Refusal(message)
}

const answers = {
	version: () => state.azVersion,
	'bicep version': () => {
		if (state.bicepVersion === undefined)
			throw new Refusal('Bicep CLI not found. Install it now by running "az bicep install".')
		return state.bicepVersion
	},
	'account show': ({ option }) => {
		if (!state.signedIn) throw new Refusal("Please run 'az login' to setup account.")
		return option('--query') === 'user.type' ? state.userType : 'subscription'
	},
	'account get-access-token': ({ option }) => {
		const accessToken = state.accessTokens[option('--resource') ?? option('--resource-type')]
		if (accessToken === undefined) throw new Refusal('Audience is not supported')
		return JSON.stringify({ accessToken, expires_on: Math.floor(Date.now() / 1000) + 3600 })
	},
	'ad signed-in-user show': () => 'user-object-id',
	'group exists': ({ option }) => String(option('--name') in state.groups),
	'group create': ({ option }) => {
		state.groups[option('--name')] = option('--location')
	},
	'group delete': ({ option }) => {
		delete state.groups[option('--name')]
	},
	'resource list': ({ option }) => {
		if (option('--resource-type') === undefined) return 'Type  Name'
		return state.hasVault ? 'rollcall-abc\twesteurope' : ''
	},
	'deployment group create': ({ option, list, has }) => {
		if (!(option('--resource-group') in state.groups)) throw new Refusal('ResourceGroupNotFound')
		const [file, ...inline] = list('--parameters')
		readFileSync(resolve(cwd, file))
		if (inline.some((each) => !each.includes('='))) throw new Refusal('Unable to parse parameter')
		if (has('--what-if')) return 'Resource changes: 17 to create.'
		state.deployed = true
	},
	'deployment group show': ({ option }) => {
		if (!state.deployed) throw new Refusal('DeploymentNotFound', 3)
		if (option('--query') === 'name') return 'rollcall'
		const [, output] = /^properties\.outputs(?:\.(\w+)\.value)?$/.exec(option('--query'))
		return output === undefined ? JSON.stringify(state.outputs) : state.outputs[output].value
	},
	'functionapp deployment source config-zip': ({ option }) => {
		failWhile('publishFailures', state.publishError)
		state.published = namesInZip(resolve(cwd, option('--src')))
	},
	'keyvault show': () => (state.purgeProtection ? 'true' : undefined),
	'keyvault purge': () => {
		failWhile('purgeFailures', '(Forbidden) The user does not have permission to purge')
		state.purged = true
	},
}

function az() {
	const call = parse()
	if (call === undefined) return ''
	const answer = answers[call.command]?.(call)
	return call.option('--output') === 'none' || answer === undefined ? '' : `${answer}\n`
}

function npm() {
	if (args.join(' ') === 'run package') {
		mkdirSync(join(cwd, 'dist'), { recursive: true })
		const names = ['index.js', 'host.json', 'package.json']
		writeFileSync(
			join(cwd, 'dist/rollcall.zip'),
			zipSync(Object.fromEntries(names.map((name) => [name, strToU8(name)]))),
		)
	}
	return ''
}

function curl() {
	const [status, body] = answerOf(args.at(-1))
	if (!args.includes('--output')) return body
	if (status === '000') throw new Refusal('', 7, status)
	writeFileSync(resolve(cwd, args[args.indexOf('--output') + 1]), body)
	return status
}

function answerOf(url) {
	if (state.pollsUntilRunning > 0) {
		state.pollsUntilRunning--
		return ['000', '']
	}
	if (url.endsWith('/scim/health')) return ['200', '{"status":"ok"}']
	const isUp = state.pollsUntilUp-- <= 0
	const [status, schema] = isUp ? ['401', 'urn:ietf:params:scim:api:messages:2.0:Error'] : state.answerBefore
	return [status, JSON.stringify({ schemas: [schema], status })]
}

function answer([folder, stateFile, callsFile, tool, ...given]) {
	cwd = folder
	args = given
	state = JSON.parse(readFileSync(stateFile, 'utf8'))
	appendFileSync(callsFile, `${JSON.stringify([tool, ...args])}\n`)
	try {
		return [0, { az, npm, curl }[tool](), '']
	} catch (error) {
		if (error instanceof Refusal) return [error.status, error.out, error.message && `ERROR: ${error.message}\n`]
		return [1, '', `${error.stack}\n`]
	} finally {
		writeFileSync(stateFile, JSON.stringify(state))
	}
}

const server = createServer((socket) => {
	let text = ''
	socket.on('error', () => undefined)
	socket.setEncoding('utf8').on('data', (more) => {
		text += more
		const [count, ...fields] = text.split('\0')
		if (fields.length <= Number(count)) return
		socket.end(
			answer(fields.slice(0, Number(count)))
				.map((part) => `${part}\0`)
				.join(''),
		)
	})
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`))
