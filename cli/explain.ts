import { UsageError } from '../shared/cli/usage-error.ts'
import { ScimError } from '../shared/scim/error.ts'
import { Failure } from './failure.ts'

export type Explanation = { readonly lines: readonly string[]; readonly code: 1 | 2 }

/** The lines to print for an error, and the exit code. */
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
		const hint = 'try again in a minute; if the error stays, look at the storage account in the Azure portal'
		return { lines: linesOf(causes.map(firstLine).join(': '), hint), code: 1 }
	}
	if (cause?.name === 'RestError') {
		const hint = 'try again in a minute; if the error stays, look at the vault in the Azure portal'
		return { lines: linesOf(firstLine(cause), hint), code: 1 }
	}
	// A developer needs the stack.
	const hint = 'this is a bug in rollcall: report it with all of these lines'
	return { lines: linesOf(cause?.stack ?? String(error), hint), code: 1 }
}

/** The sentence that names the role that is missing; undefined for an error that has another cause. */
export const missingRole = (error: unknown): string | undefined => {
	const causes = causesOf(error)
	return known.find(({ applies, isRole }) => isRole && causes.some(applies))?.hint
}

const linesOf = (message: string, hint: string): readonly string[] => [`error: ${message}`, `hint: ${hint}`]

const firstLine = (error: Error | undefined): string => error?.message.split('\n')[0] ?? ''

/** An error and its causes, outermost first. */
function causesOf(error: unknown): readonly Error[] {
	return error instanceof Error ? [error, ...causesOf(error.cause)] : []
}

type KnownError = {
	readonly applies: (error: Error) => boolean
	readonly message: (reason: string) => string
	readonly hint: string
	/** Whether the operator lacks a role. */
	readonly isRole?: true
}

const statusOf = (error: Error): unknown => ('statusCode' in error ? error.statusCode : undefined)
const codeIn = (error: Error): string => ('code' in error ? String(error.code) : '')

/** Problems between an administrator and Azure, and how to fix them. */
const known: readonly KnownError[] = [
	{
		applies: ({ name }) => name === 'CredentialUnavailableError',
		message: (reason) => `az cannot get a token: ${reason}`,
		hint: 'az login',
	},
	{
		applies: ({ message }) => /^the table service answered 403 /.test(message),
		message: (reason) => reason,
		hint: 'you need the role Storage Table Data Contributor on the storage account, and access from this network; a new role takes a few minutes to work',
		isRole: true,
	},
	{
		applies: (error) => error.name === 'RestError' && statusOf(error) === 403,
		message: (reason) => `the vault refused the request: ${reason}`,
		hint: 'you need the role Key Vault Secrets Officer on the vault, and access from this network; a new role takes a few minutes to work',
		isRole: true,
	},
	{
		applies: (error) => ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ETIMEDOUT'].includes(codeIn(error)),
		message: (reason) => `cannot connect to Azure: ${reason}`,
		hint: 'compare the addresses with: az deployment group show --resource-group GROUP --name rollcall --query properties.outputs',
	},
]
