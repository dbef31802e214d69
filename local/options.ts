import { parseArgs } from 'node:util'
import { lowestRate } from '../functions/settings.ts'
import { dashes } from '../shared/cli/dashes.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import { nearest } from '../shared/scim/nearest.ts'
import { parseTenantName } from '../shared/tenants/tenants.ts'

export type LocalOptions = {
	/** 0 for any free port. */
	readonly port: number
	/** The folder for data and tokens; undefined keeps them in memory. */
	readonly data: string | undefined
	readonly tenants: readonly string[]
	readonly token: string | undefined
	/** The units a second that a tenant may use; undefined for no limit. */
	readonly rate: number | undefined
	readonly tls: { readonly cert: string; readonly key: string } | undefined
	/** Whether the console is served too. */
	readonly hasConsole: boolean
}

export const help = `Serves SCIM on this machine.

npm start ${dashes()} [options]
  --port N          the port on 127.0.0.1 (default 7071; 0 for any free port)
  --data DIR        the folder for data and tokens (default ./data)
  --ephemeral       keep the data in memory only; it is lost at the end
  --tenant NAME     also serve this tenant, besides those that are in the data folder;
                    may be given several times (default demo)
  --token T         also accept this token, for every tenant
  --rate N          serve each tenant at most N requests a second (default no limit)
  --tls-cert FILE   serve HTTPS with this certificate (PEM), together with
  --tls-key FILE    its private key (PEM)
  --no-console      serve no console; there is none with --tls-cert either
  --help            print this help`

const defaultTenants: string[] = ['demo']

const declared = {
	port: { type: 'string', default: '7071' },
	data: { type: 'string' },
	ephemeral: { type: 'boolean', default: false },
	tenant: { type: 'string', multiple: true, default: defaultTenants },
	token: { type: 'string' },
	rate: { type: 'string' },
	'tls-cert': { type: 'string' },
	'tls-key': { type: 'string' },
	'no-console': { type: 'boolean', default: false },
	help: { type: 'boolean', default: false },
} as const

/**
 * Reads the command line; 'help' if the user asks for help.
 *
 * @throws UsageError that names the wrong option
 */
export function parseOptions(args: readonly string[]): LocalOptions | 'help' {
	const { values } = parse(args)
	if (values.help) return 'help'
	return {
		port: portOf(values.port),
		data: dataOf(values),
		tenants: [...new Set(values.tenant.map(tenantOf))],
		token: tokenOf(values.token),
		rate: rateOf(values.rate),
		tls: tlsOf(values['tls-cert'], values['tls-key']),
		hasConsole: !values['no-console'] && values['tls-cert'] === undefined,
	}
}

function parse(args: readonly string[]) {
	try {
		return parseArgs({ args: [...args], options: declared })
	} catch (error) {
		const [message = ''] = String(error instanceof Error ? error.message : error).split('\n')
		const unknown = /^Unknown option '(--?[^']+)'/.exec(message)?.[1]
		const known = Object.keys(declared).map((name) => `--${name}`)
		const close = unknown === undefined ? undefined : nearest(unknown, known)
		throw new UsageError(unknown === undefined ? message : `unknown option ${unknown}`, {
			hint: close === undefined ? `npm start ${dashes()} --help lists the options` : `did you mean ${close}?`,
			cause: error,
		})
	}
}

function dataOf({ data, ephemeral }: { readonly data?: string; readonly ephemeral: boolean }): string | undefined {
	if (data === '') throw new UsageError('--data needs a folder', { hint: 'leave it out for ./data' })
	if (ephemeral && data !== undefined) {
		throw new UsageError('--ephemeral and --data cannot be combined', { hint: 'leave out one of them' })
	}
	return ephemeral ? undefined : (data ?? 'data')
}

function portOf(text: string): number {
	const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
	if (!(port <= 65_535))
		throw new UsageError(`--port ${text} is not a valid port`, { hint: 'use a number from 0 to 65535' })
	return port
}

function tenantOf(text: string): string {
	const name = parseTenantName(text)
	if (name === undefined) {
		throw new UsageError(`--tenant ${text} is not a valid name of a tenant`, {
			hint: 'use 2 to 39 lower-case letters and digits, with single hyphens between them; words such as "users" are reserved',
		})
	}
	return name
}

function tokenOf(text: string | undefined): string | undefined {
	if (text === undefined || /^[A-Za-z0-9\-._~+/]{16,}=*$/.test(text)) return text
	throw new UsageError('--token is not a valid token', {
		hint: 'use 16 or more letters, digits and - . _ ~ + /, for example from: openssl rand -hex 24',
	})
}

function rateOf(text: string | undefined): number | undefined {
	if (text === undefined) return undefined
	const rate = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
	if (rate >= lowestRate) return rate
	throw new UsageError(`--rate ${text} is not a valid rate`, {
		hint: `use a whole number of requests a second, ${lowestRate} or more`,
	})
}

function tlsOf(cert: string | undefined, key: string | undefined): LocalOptions['tls'] {
	if (cert !== undefined && key !== undefined) return { cert, key }
	if (cert === undefined && key === undefined) return undefined
	throw new UsageError('--tls-cert and --tls-key are needed together', {
		hint: `add ${cert === undefined ? '--tls-cert' : '--tls-key'}`,
	})
}
