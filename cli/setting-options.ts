import { UsageError } from '../shared/cli/usage-error.ts'
import type { SettingDeclaration } from '../shared/tenants/setting.ts'
import { declaredSettings, type SettingsHolder, type StoredSettings, settingsFor } from '../shared/tenants/settings.ts'
import type { Invocation } from './command.ts'
import type { Option } from './options.ts'

/** The options that set settings of tenants. */
export const allSettingOptions: readonly Option[] = Object.values(declaredSettings).map(({ option }) => option)

/**
 * Reads settings from the options. An empty option gives undefined, which removes the setting.
 *
 * @throws UsageError that names the option with a wrong value, and says what is allowed
 */
export const chosenSettings = ({
	values,
	environment,
}: Pick<Invocation, 'values' | 'environment'>): Readonly<Record<string, unknown>> =>
	Object.fromEntries(
		Object.entries(declaredSettings).flatMap(([name, declaration]) => {
			const value = values[declaration.option]
			if (value === undefined) return []
			return [
				[name, settingValueOf(declaration, [value].flat().map(String), `${environment.program} tenant set --help`)],
			]
		}),
	)

function settingValueOf(
	{ option, allowed, shape, read }: SettingDeclaration,
	texts: readonly string[],
	hint: string,
): unknown {
	if (texts.join() === '') return undefined
	const { success, data, error } = shape.safeParse(read(texts))
	if (success) return data
	throw new UsageError(`--${option} ${texts.join()} is not ${allowed}`, { hint, cause: error })
}

/** The settings to store: all that have a value. */
export const assigned = (settings: StoredSettings): StoredSettings =>
	Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))

/** Refuses a setting that tenants of this mode do not have. */
export function refuseForeign(mode: SettingsHolder['mode'], settings: StoredSettings): void {
	const own = settingsFor(mode).map(([name]) => name)
	const foreign = Object.entries(declaredSettings).find(([name]) => name in settings && !own.includes(name))
	if (foreign === undefined) return
	const [, { option, modes }] = foreign
	throw new UsageError(`--${option} is only for tenants of mode ${modes.join(' or ')}`, {
		hint: `leave it out, or add a tenant with --mode ${modes[0]}`,
	})
}

/** What holds for a tenant because its row lacks the setting. */
export const defaultsOf = ({ mode, settings }: SettingsHolder): StoredSettings =>
	Object.fromEntries(
		settingsFor(mode).flatMap(([name, { whenMissing }]) =>
			whenMissing === undefined || name in settings ? [] : [[name, whenMissing]],
		),
	)
