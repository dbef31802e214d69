import type * as z from 'zod'
import { UsageError } from '../shared/cli/usage-error.ts'
import { relaySettings } from '../shared/relay/tenant-settings.ts'
import type { TenantSettings } from '../shared/storage/tenants.ts'
import type { Invocation, Option } from './command.ts'

/** Each setting of a relay with its option and what the text of that means. */
const relaySettingOptions = [
	{ setting: 'hybridConnection', option: 'hybrid-connection', read: (text: string): unknown => text },
	{ setting: 'agents', option: 'agent', read: (text: string): unknown => text.split(',') },
	{ setting: 'authorization', option: 'authorization', read: (text: string): unknown => text },
	{ setting: 'patchAsPost', option: 'patch-as-post', read: (text: string): unknown => truths.get(text) ?? text },
] as const satisfies readonly {
	readonly setting: keyof z.infer<typeof relaySettings>
	readonly option: Option
	read: unknown
}[]

const truths: ReadonlyMap<string, boolean> = new Map([
	['true', true],
	['false', false],
])

/** The options that set them. */
export const relayOptions: readonly Option[] = relaySettingOptions.map(({ option }) => option)

/**
 * The settings of a relay that were given; one that was given empty is undefined.
 *
 * @throws UsageError that names the option whose value is none
 */
export function settingsOf({ values, surroundings }: Pick<Invocation, 'values' | 'surroundings'>): TenantSettings {
	const given: Record<string, unknown> = {}
	for (const { setting, option, read } of relaySettingOptions) {
		const value = values[option]
		if (value !== undefined) given[setting] = String(value) === '' ? undefined : read(String(value))
	}
	const { error } = relaySettings.safeParse(given)
	if (error === undefined) return given
	const [issue] = error.issues
	throw new UsageError(`${optionOf(String(issue?.path[0]))}: ${issue?.message}`, {
		hint: `${surroundings.program} tenant set --help`,
		cause: error,
	})
}

const optionOf = (name: string): string => `--${relaySettingOptions.find(({ setting }) => setting === name)?.option}`

/** The settings that are to be stored. */
export const assigned = (settings: TenantSettings): TenantSettings =>
	Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))

/** A tenant with a directory here has none of them. */
export function refuseSettings(settings: TenantSettings): void {
	const [setting] = Object.keys(settings)
	if (setting === undefined) return
	throw new UsageError(`${optionOf(setting)} is for tenants of mode relay`, {
		hint: 'leave it out, or make one with --mode relay',
	})
}
