import { readFile } from 'node:fs/promises'
import { UsageError } from '../../shared/cli/usage-error.ts'
import type { CommandResult, Invocation } from '../command.ts'
import { table } from '../table.ts'
import { createClient } from './client.ts'
import { type CheckFinding, findingOf, Shortfall } from './finding.ts'
import { readingChecks, testConnection } from './reading.ts'
import { writingFindings } from './writing.ts'

/** Asks a Tenant URL what Entra's Test Connection asks, and Microsoft's SCIM Validator. */
export async function check({ args: [text = ''], values, environment }: Invocation): Promise<CommandResult> {
	const url = tenantUrlOf(text)
	const token = await tokenOf(values['token-file'], environment.env.ROLLCALL_TOKEN)
	const findings = await findingsOf(url, token, { isWriting: values.write === true })
	return {
		text: report(findings),
		json: { url: text, findings },
		isFailure: findings.some(({ verdict }) => verdict === 'FAIL'),
	}
}

async function findingsOf(
	url: URL,
	token: string,
	{ isWriting }: { readonly isWriting: boolean },
): Promise<readonly CheckFinding[]> {
	const client = createClient(url, token)
	const first = [
		await findingOf('address', () => addressOf(url)),
		await findingOf(testConnection.name, () => testConnection.run(client)),
	]
	// Where Entra comes no further there is nothing else to see.
	if (first.at(-1)?.verdict === 'FAIL') return first
	const findings = [...first]
	for (const { name, run } of readingChecks) findings.push(await findingOf(name, () => run(client)))
	return isWriting ? [...findings, ...(await writingFindings(client))] : findings
}

function tenantUrlOf(text: string): URL {
	const url = URL.canParse(text) ? new URL(text) : undefined
	if (url === undefined || !/^https?:$/.test(url.protocol)) {
		throw new UsageError(`${text} is not a URL`, { hint: 'it looks like https://HOST/scim/TENANT' })
	}
	return url
}

function addressOf({ protocol, hostname, hash, username }: URL): string {
	if (hash !== '' || username !== '') {
		throw new Shortfall('the URL has more than an address', 'leave out the fragment and the user name')
	}
	if (protocol === 'https:') return 'https'
	const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
	const remedy = isLoopback
		? 'to let Entra reach it, serve HTTPS: docs/entra.md'
		: 'Entra takes https alone: serve HTTPS'
	throw new Shortfall('http', remedy, { isWarning: isLoopback })
}

/** The token is never an option's value, which other users of a machine can see. */
async function tokenOf(file: string | undefined, variable: string | undefined): Promise<string> {
	const token = (file === undefined ? (variable ?? '') : await readToken(file)).trim()
	const source = file ?? 'ROLLCALL_TOKEN'
	if (token === '') {
		throw new UsageError(file === undefined ? 'no token' : `${file} is empty`, {
			hint: 'put the Secret Token into a file for --token-file, or into the variable ROLLCALL_TOKEN',
		})
	}
	if (/^[\x21-\x7e]+$/.test(token)) return token
	throw new UsageError(`what ${source} holds is not a token`, { hint: 'it holds the token alone, without "Bearer"' })
}

async function readToken(file: string): Promise<string> {
	try {
		return await readFile(file, 'utf8')
	} catch (cause) {
		const hint = 'name a file that holds the Secret Token'
		throw new UsageError(`${file} cannot be read: ${cause instanceof Error ? cause.message : cause}`, { hint, cause })
	}
}

function report(findings: readonly CheckFinding[]): string {
	const lines = findings.map(({ name, verdict, seen, remedy }) => [
		verdict,
		name,
		remedy === undefined ? seen : `${seen}: ${remedy}`,
	])
	const failed = findings.filter(({ verdict }) => verdict === 'FAIL').length
	return `${table(lines)}\n\n${failed === 0 ? 'Entra can work with this.' : `${failed} of ${findings.length} checks failed.`}`
}
