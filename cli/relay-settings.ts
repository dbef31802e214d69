import type * as z from 'zod'
import { UsageError } from '../shared/cli/usage-error.ts'
import { relaySettings } from '../shared/tenants/relay-settings.ts'
import type { TenantSettings } from '../shared/tenants/tenants.ts'
import type { Invocation } from './command.ts'
import type { Option } from './options.ts'

const same = (text: string): unknown => text

/** Each setting of a relay: its option, the function that reads the option, and the valid values in words. */
const relaySettingOptions = [
	{ setting: 'hybridConnection', option: 'hybrid-connection', read: same, valid: 'the name of a hybrid connection' },
	{ setting: 'agents', option: 'agent', read: (text: string): unknown => text.split(','), valid: 'a GUID' },
	{ setting: 'authorization', option: 'authorization', read: same, valid: 'onPremises or passThrough' },
	{
		setting: 'patchAsPost',
		option: 'patch-as-post',
		valid: 'true or false',
		read: (text: string): unknown => truths.get(text) ?? text,
	},
] as const satisfies readonly {
	readonly setting: keyof z.infer<typeof relaySettings>
	readonly option: Option
	readonly read: (text: string) => unknown
	readonly valid: string
}[]

const truths: ReadonlyMap<string, boolean> = new Map([
	['true', true],
	['false', false],
])

/** The options for the settings of a relay. */
export const relayOptions: readonly Option[] = relaySettingOptions.map(({ option }) => option)

/**
 * Reads the settings of a relay from the options. An empty option gives undefined, which removes the setting.
 *
 * @throws UsageError that names the option with a wrong value
 */
export function settingsOf({ values, environment }: Pick<Invocation, 'values' | 'environment'>): TenantSettings {
	const settings: Record<string, unknown> = {}
	for (const { setting, option, read } of relaySettingOptions) {
		const value = values[option]
		if (value !== undefined) settings[setting] = String(value) === '' ? undefined : read(String(value))
	}
	const { error } = relaySettings.safeParse(settings)
	if (error === undefined) return settings
	const name = error.issues[0]?.path[0]
	const wrong = relaySettingOptions.find(({ setting }) => setting === name)
	throw new UsageError(`--${wrong?.option} ${wrong && values[wrong.option]} is not ${wrong?.valid}`, {
		hint: `${environment.program} tenant set --help`,
		cause: error,
	})
}

const optionOf = (name: string): string => `--${relaySettingOptions.find(({ setting }) => setting === name)?.option}`

/** The settings to store: all that have a value. */
export const assigned = (settings: TenantSettings): TenantSettings =>
	Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))

/** Refuses the settings of a relay for a tenant of mode store. */
export function refuseSettings(settings: TenantSettings): void {
	const [setting] = Object.keys(settings)
	if (setting === undefined) return
	throw new UsageError(`${optionOf(setting)} is only for tenants of mode relay`, {
		hint: 'leave it out, or add a tenant with --mode relay',
	})
}
