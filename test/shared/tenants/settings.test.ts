import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { guids, oneOf, type SettingDeclaration, trueOrFalse, wholeNumber } from '../../../shared/tenants/setting.ts'
import {
	declaredSettings,
	parseSettings,
	requireKnownSettings,
	type SettingTable,
	settingsFor,
	settingsOf,
	settingsOfNew,
	settingsProblem,
	unknownSetting,
	wrongSetting,
} from '../../../shared/tenants/settings.ts'

const both = ['store', 'relay'] as const

/** Settings that no tenant has. */
const table = {
	colour: {
		...oneOf('red', 'green', 'blue'),
		...{ option: 'colour', modes: ['store'], help: 'the colour', whenMissing: 'red', whenNew: 'blue' },
	},
	seconds: { ...wholeNumber(60, 3600, 'seconds'), option: 'seconds', modes: both, help: 'the time', whenMissing: 600 },
	loud: { ...trueOrFalse, option: 'loud', modes: both, help: 'whether to shout', whenNew: true },
	ids: { ...guids, option: 'id', modes: ['relay'], help: 'the ids' },
} as const satisfies SettingTable

const names = (declarations: readonly (readonly [string, SettingDeclaration])[]) => declarations.map(([name]) => name)
const guid = '11111111-2222-3333-4444-555555555555'

describe('settings', () => {
	test('that a tenant lacks have the values of before there was the setting', () => {
		expect(parseSettings(table, {})).toEqual({ data: { colour: 'red', seconds: 600 } })
		expect(parseSettings(table, { colour: 'green', loud: false, other: 1 })).toEqual({
			data: { colour: 'green', seconds: 600, loud: false },
		})
	})

	test('of a new tenant are written as its mode has them', () => {
		expect(settingsOfNew('store', table)).toEqual({ colour: 'blue', loud: true })
		expect(settingsOfNew('relay', table)).toEqual({ loud: true })
	})

	test('are those of a mode', () => {
		expect(names(settingsFor('store', table))).toEqual(['colour', 'seconds', 'loud'])
		expect(names(settingsFor('relay', table))).toEqual(['seconds', 'loud', 'ids'])
	})

	test.each([
		[['blue'], table.colour, 'blue'],
		[['on'], table.colour, undefined],
		[['60'], table.seconds, 60],
		[['3600'], table.seconds, 3600],
		[['59'], table.seconds, undefined],
		[['3601'], table.seconds, undefined],
		[['60.5'], table.seconds, undefined],
		[['1e3'], table.seconds, undefined],
		[['true'], table.loud, true],
		[['false'], table.loud, false],
		[['yes'], table.loud, undefined],
		[[guid, `${guid},${guid}`], table.ids, [guid, guid, guid]],
		[['x'], table.ids, undefined],
	] as const)('%j is read as the setting %o: %j', (texts, { read, shape }, value) => {
		const { success, data } = shape.safeParse(read(texts))
		expect(success ? data : undefined).toEqual(value)
	})

	test('say in words what is allowed', () => {
		expect(Object.values(table).map(({ allowed }) => allowed)).toEqual([
			...['red, green or blue', 'a whole number from 60 to 3600 seconds', 'true or false', 'a GUID'],
		])
	})

	test('of a newer version are named with what to do', () => {
		expect(unknownSetting({ settings: { colour: 'red', tomorrow: 'on' } }, table)).toBe(
			'This tenant has the setting tomorrow, which this version of Rollcall does not know. Deploy a version of Rollcall that knows tomorrow, or remove the setting with the rollcall of that version.',
		)
		expect(unknownSetting({ settings: { colour: 'red' } }, table)).toBe(undefined)
		// Objects have such a property of their own accord.
		expect(unknownSetting({ settings: { toString: 1 } }, table)).toMatch(/ setting toString, /)
	})

	test('with a wrong value are named with what is allowed, and without the value', () => {
		expect(wrongSetting({ mode: 'store', settings: { colour: 'mauve' } }, table)).toBe(
			'The setting colour of this tenant is not red, green or blue. Set it with rollcall tenant set and --colour red|green|blue, or deploy a version of Rollcall that knows its value.',
		)
		expect(wrongSetting({ mode: 'store', settings: { colour: 'red' } }, table)).toBe(undefined)
		expect(wrongSetting({ mode: 'relay', settings: { colour: 'mauve' } }, table)).toBe(undefined)
	})
})

describe('the settings of this version', () => {
	const declarations: readonly (readonly [string, SettingDeclaration])[] = Object.entries(declaredSettings)

	test.each(declarations)('%s has allowed values as its defaults, and one sentence of help', (_, declaration) => {
		const { shape, whenMissing, whenNew, help } = declaration
		for (const value of [whenMissing, whenNew]) expect(shape.optional().safeParse(value)).toMatchObject({ data: value })
		expect(help).toMatch(/^[a-z][^.]*[^.]$/)
	})

	test('are read as they were before they were declared together', () => {
		const settings = { hybridConnection: 'floor-2', agents: [guid], note: 'of no version' }
		expect(settingsOf({ mode: 'relay', settings })).toMatchObject({
			...{ hybridConnection: 'floor-2', agents: [guid], authorization: 'onPremises', patchAsPost: false },
			history: 'names',
			unknownAttributes: 'ignore',
			accessTokenSeconds: 7200,
		})
		expect(settingsOf({ mode: 'store', settings: {} })).toMatchObject({
			authorization: 'onPremises',
			patchAsPost: false,
			history: 'names',
			unknownAttributes: 'ignore',
			accessTokenSeconds: 7200,
		})
	})

	test('that are wrong are refused when they are read', () => {
		const wrong = { mode: 'relay', settings: { authorization: 'mine' } } as const
		expect(() => settingsOf(wrong)).toThrow(
			expect.objectContaining({
				status: 503,
				message:
					'The setting authorization of this tenant is not onPremises or passThrough. Set it with rollcall tenant set and --authorization onPremises|passThrough, or deploy a version of Rollcall that knows its value.',
			}),
		)
		// The sender of a relay refuses the request itself, with a code.
		expect(settingsProblem(wrong)).toBe(undefined)
	})

	test.each(both)('a tenant of mode %s with an unknown setting is refused for a minute', (mode) => {
		const refused = () => requireKnownSettings({ mode, settings: { tomorrow: 'on' } })
		expect(refused).toThrow(expect.objectContaining({ status: 503, headers: { 'Retry-After': '60' } }))
		expect(refused).toThrow(/^This tenant has the setting tomorrow, /)
		expect(() => requireKnownSettings({ mode, settings: {} })).not.toThrow()
	})

	test('of one reading of a tenant are checked once if they are right, and each time if they are wrong', () => {
		let readings = 0
		const tenantWith = (guard: string) => ({
			mode: 'store' as const,
			get settings() {
				readings++
				return { guard }
			},
		})
		const right = tenantWith('alert')
		expect([settingsProblem(right), settingsProblem(right)]).toEqual([undefined, undefined])
		const once = readings
		settingsProblem(tenantWith('alert'))
		expect(readings).toBe(2 * once)
		const wrong = tenantWith('silent')
		expect(settingsProblem(wrong)).toMatch(/^The setting guard of this tenant is not hold, alert or off/)
		expect(settingsProblem(wrong)).toBe(settingsProblem(wrong))
	})

	// UPDATE_DOCS=1 npx vitest run test/shared/tenants/settings.test.ts writes the table into the page.
	test('are described in docs/cli.md as they are declared', () => {
		const page = readFileSync('docs/cli.md', 'utf8')
		const [before, , after] = page.split(/(?<=<!-- settings -->\n)([\s\S]*)(?=<!-- end of settings -->)/)
		const generated = `${before}${pageTable(declarations)}\n${after}`
		if (process.env.UPDATE_DOCS !== undefined) writeFileSync('docs/cli.md', generated)
		expect(page).toBe(generated)
	})
})

const pageTable = (declarations: readonly (readonly [string, SettingDeclaration])[]): string =>
	['| Option | Mode | What it sets | Default |', '|---|---|---|---|', ...declarations.map(lineOf)].join('\n')

function lineOf([, { option, values, modes, help, ...defaults }]: readonly [string, SettingDeclaration]): string {
	const cells = [`\`--${option} ${values}\``, modes.join(', '), help, defaultInWords(defaults)]
	return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function defaultInWords({ whenMissing, whenNew }: Pick<SettingDeclaration, 'whenMissing' | 'whenNew'>): string {
	const older = whenMissing === undefined ? '' : `\`${whenMissing}\``
	if (whenNew === undefined || whenNew === whenMissing) return older
	return `\`${whenNew}\` for a new tenant${older === '' ? '' : `; ${older} for a tenant that is older than the setting`}`
}
