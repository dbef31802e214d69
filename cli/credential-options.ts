import type { Scope } from '../shared/auth/credential.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import type { OptionValues } from './options.ts'

const scopeWords: ReadonlyMap<string, Scope> = new Map([
	['full', 'scim'],
	['scim', 'scim'],
	['read', 'scim.read'],
	['scim.read', 'scim.read'],
])

/** The scope that `--scope` names; everything if the option is left out. */
export function scopeOf({ scope: text = 'full' }: Pick<OptionValues, 'scope'>): Scope {
	const scope = scopeWords.get(text)
	if (scope !== undefined) return scope
	throw new UsageError(`--scope ${text} is not a scope`, { hint: 'use full or read' })
}

/** Key Vault takes 256 characters for the value of a tag. */
const longestLabel = 100

/** The label that `--label` gives; nothing if the option is left out. */
export function labelOf({ label }: Pick<OptionValues, 'label'>): { readonly label?: string } {
	if (label === undefined) return {}
	const text = label.trim()
	if (text !== '' && text.length <= longestLabel && !/\p{Cc}/u.test(text)) return { label: text }
	throw new UsageError(`--label ${JSON.stringify(label)} is not a label`, {
		hint: `use 1 to ${longestLabel} characters in one line, such as "HR application"`,
	})
}
