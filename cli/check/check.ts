import { readFile } from 'node:fs/promises'
import { fileReason } from '../../shared/cli/file-reason.ts'
import { UsageError } from '../../shared/cli/usage-error.ts'
import type { CommandResult, Invocation } from '../command.ts'
import { table } from '../table.ts'
import { createClient } from './client.ts'
import { type CheckFinding, findingOf, Shortfall } from './finding.ts'
import { readingChecks, testConnection } from './reading.ts'
import { writingFindings } from './writing.ts'

/** Sends a Tenant URL the requests of Entra's Test Connection and of Microsoft's SCIM Validator. */
export async function check({ args: [text = ''], values, environment }: Invocation): Promise<CommandResult> {
	const url = tenantUrlOf(text)
	const token = await tokenOf(values['token-file'], environment.env.ROLLCALL_TOKEN)
	const findings = await checkFindings(url, token, { isWriting: values.write === true })
	return {
		text: report(findings),
		json: { url: text, findings },
		isFailure: findings.some(({ verdict }) => verdict === 'FAIL'),
	}
}

/** Checks a Tenant URL with a token. A check that writes makes a user and a group, and deletes both. */
export async function checkFindings(
	url: URL,
	token: string,
	{ isWriting }: { readonly isWriting: boolean },
): Promise<readonly CheckFinding[]> {
	const client = createClient(url, token)
	const first = [
		await findingOf('address', () => addressOf(url)),
		await findingOf(testConnection.name, () => testConnection.run(client.during(testConnection.name))),
	]
	// If Test Connection fails, Entra goes no further, and the other checks would say nothing new.
	if (first.at(-1)?.verdict === 'FAIL') return first
	const findings = [...first]
	for (const { name, run } of readingChecks) findings.push(await findingOf(name, () => run(client.during(name))))
	return isWriting ? [...findings, ...(await writingFindings(client))] : findings
}

function tenantUrlOf(text: string): URL {
	const url = URL.canParse(text) ? new URL(text) : undefined
	if (url === undefined || !/^https?:$/.test(url.protocol)) {
		throw new UsageError(`${text} is not a Tenant URL`, { hint: 'a Tenant URL looks like https://HOST/scim/TENANT' })
	}
	return url
}

function addressOf({ protocol, hostname, hash, username }: URL): string {
	if (hash !== '' || username !== '') {
		throw new Shortfall('the URL has a fragment or a user name', 'leave them out')
	}
	if (protocol === 'https:') return 'https'
	const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
	const remedy = isLoopback ? 'Entra can only reach https: docs/entra.md' : 'Entra accepts only https: serve HTTPS'
	throw new Shortfall('http', remedy, { isWarning: isLoopback })
}

/** Reads the token from a file or a variable: other users of the machine can see the value of an option. */
async function tokenOf(file: string | undefined, variable: string | undefined): Promise<string> {
	const token = (file === undefined ? (variable ?? '') : await readToken(file)).trim()
	const source = file ?? 'ROLLCALL_TOKEN'
	if (token === '') {
		throw new UsageError(file === undefined ? 'there is no token' : `${file} is empty`, {
			hint: 'put the Secret Token in a file for --token-file, or in the variable ROLLCALL_TOKEN',
		})
	}
	if (/^[\x21-\x7e]+$/.test(token)) return token
	throw new UsageError(`${source} does not hold a valid token`, {
		hint: 'it must hold the token alone, without "Bearer"',
	})
}

async function readToken(file: string): Promise<string> {
	try {
		return await readFile(file, 'utf8')
	} catch (cause) {
		throw new UsageError(`${file} cannot be read: ${fileReason(cause)}`, {
			hint: 'give a file that holds the Secret Token',
			cause,
		})
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
