import { UsageError } from '../shared/cli/usage-error.ts'
import { ScimError } from '../shared/scim/error.ts'
import { Failure } from './failure.ts'

export type Explanation = { readonly lines: readonly string[]; readonly code: 1 | 2 }

/** What is printed of an error, and the exit code that it means. */
export function explain(error: unknown): Explanation {
	if (error instanceof UsageError || error instanceof Failure) {
		return { lines: linesOf(error.message, error.hint), code: error instanceof UsageError ? 2 : 1 }
	}
	const causes = causesOf(error)
	for (const { applies, message, hint } of known) {
		const cause = causes.find(applies)
		if (cause !== undefined) return { lines: linesOf(message(firstLine(cause)), hint), code: 1 }
	}
	const [cause] = causes
	if (error instanceof ScimError) {
		return { lines: linesOf(error.message, causes.length > 1 ? firstLine(causes[1]) : undefined), code: 1 }
	}
	if (cause?.name === 'RestError') return { lines: linesOf(firstLine(cause)), code: 1 }
	// A fault of ours: whoever mends it wants to know where.
	return { lines: linesOf(cause?.stack ?? String(error)), code: 1 }
}

const linesOf = (message: string, hint?: string): readonly string[] => [
	`error: ${message}`,
	...(hint === undefined ? [] : [`hint: ${hint}`]),
]

const firstLine = (error: Error | undefined): string => error?.message.split('\n')[0] ?? ''

/** An error and what caused it, the outermost first. */
function causesOf(error: unknown): readonly Error[] {
	return error instanceof Error ? [error, ...causesOf(error.cause)] : []
}

type Known = {
	readonly applies: (error: Error) => boolean
	readonly message: (said: string) => string
	readonly hint: string
}

const statusOf = (error: Error): unknown => ('statusCode' in error ? error.statusCode : undefined)
const codeIn = (error: Error): string => ('code' in error ? String(error.code) : '')

/** What goes wrong between an administrator and Azure, and what helps. */
const known: readonly Known[] = [
	{
		applies: ({ name }) => name === 'CredentialUnavailableError',
		message: (said) => `az gives no token: ${said}`,
		hint: 'az login',
	},
	{
		applies: ({ message }) => /^the table service answered 403 /.test(message),
		message: (said) => said,
		hint: 'you need the role Storage Table Data Contributor on the storage account, and access from this network; a new role takes some minutes',
	},
	{
		applies: (error) => error.name === 'RestError' && statusOf(error) === 403,
		message: (said) => `the vault refuses: ${said}`,
		hint: 'you need the role Key Vault Secrets Officer on the vault, and access from this network; a new role takes some minutes',
	},
	{
		applies: (error) => ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ETIMEDOUT'].includes(codeIn(error)),
		message: (said) => `there is no connection: ${said}`,
		hint: 'compare the addresses with: az deployment group show --resource-group GROUP --name rollcall --query properties.outputs',
	},
]
