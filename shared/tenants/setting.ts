import * as z from 'zod'

/** The values that a setting may have. */
export type SettingKind<T = unknown> = {
	readonly shape: z.ZodType<T>
	/** The values as the help of `rollcall` shows them, such as `NAME` or `true|false`. */
	readonly values: string
	/** The allowed values in words. They follow "is not" in a refusal. */
	readonly allowed: string
	/** Makes a value of the texts on a command line. The shape then decides whether the value is allowed. */
	readonly read: (texts: readonly string[]) => unknown
	/** Whether the option may be given several times. */
	readonly isRepeated: boolean
}

/** A setting of a tenant, by which it is declared. */
export type SettingDeclaration<T = unknown> = SettingKind<T> & {
	/** The option of `rollcall tenant set`, without its dashes. */
	readonly option: string
	/** The modes of tenants that have the setting. */
	readonly modes: readonly ('store' | 'relay')[]
	/** One sentence for administrators, without its full stop. */
	readonly help: string
	/** What holds for a tenant whose row lacks the setting: each tenant that is older than the setting is one. */
	readonly whenMissing?: NoInfer<T>
	/** What is written into the row of a new tenant; nothing if left out. */
	readonly whenNew?: NoInfer<T>
}

const last = (texts: readonly string[]): string => texts.at(-1) ?? ''

/** @example oneOf('full', 'names', 'off').allowed // 'full, names or off' */
export const oneOf = <const T extends readonly [string, string, ...string[]]>(...words: T): SettingKind<T[number]> => ({
	shape: z.enum(words),
	values: words.join('|'),
	allowed: `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`,
	read: last,
	isRepeated: false,
})

const truths: ReadonlyMap<string, boolean> = new Map([
	['true', true],
	['false', false],
])

export const trueOrFalse: SettingKind<boolean> = {
	shape: z.boolean(),
	values: 'true|false',
	allowed: 'true or false',
	read: (texts) => truths.get(last(texts)) ?? last(texts),
	isRepeated: false,
}

/** A whole number between two limits, which are allowed too. `unit` follows the number, such as `seconds`. */
export const wholeNumber = (least: number, most: number, unit = ''): SettingKind<number> => ({
	shape: z.int().min(least).max(most),
	values: 'NUMBER',
	allowed: `a whole number from ${least} to ${most} ${unit}`.trimEnd(),
	read: (texts) => (/^\d+$/.test(last(texts)) ? Number(last(texts)) : last(texts)),
	isRepeated: false,
})

/** A name that the reader of the setting looks up. */
export const nameOfThing = (allowed: string): SettingKind<string> => ({
	shape: z.string().min(1),
	values: 'NAME',
	allowed,
	read: last,
	isRepeated: false,
})

/** One or more ids. The option is given several times, or once with commas. */
export const guids: SettingKind<readonly string[]> = {
	shape: z.array(z.guid()).min(1),
	values: 'ID',
	allowed: 'a GUID',
	read: (texts) => texts.flatMap((text) => text.split(',')),
	isRepeated: true,
}
