import { resolve } from 'node:path'
import type { Command, Invocation } from '../cli/command.ts'
import { declared, type Option, type OptionValues } from '../cli/options.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { type Action, nameOf, optionsOf, parametersOf } from './action-forms.ts'
import { ConsoleError } from './answer.ts'
import type { FieldValues } from './answers/actions.ts'
import type { PlacedAction } from './placed-actions.ts'

/**
 * The arguments and options that the fields stand for.
 *
 * @throws ConsoleError 400 for a field that the form does not have, and for a required one that is missing
 */
export function argumentsOf(
	action: Action,
	{ name }: Pick<Tenant, 'name'>,
	fields: FieldValues,
): Pick<Invocation, 'args' | 'values'> {
	const { command, place } = action
	const options = optionsOf(action)
	const names = [...parametersOf(command).map(nameOf), ...options, ...(place.question === undefined ? [] : ['answer'])]
	const foreign = Object.keys(fields).find((field) => !names.includes(field))
	if (foreign !== undefined) throw new ConsoleError(`${command.words} has no field ${foreign}`, { status: 400 })
	const missing = place.required?.find((option) => (fields[option] ?? '') === '')
	if (missing !== undefined) throw new ConsoleError(`${missing} is missing`, { status: 400 })
	return {
		args: [name, ...parametersOf(command).flatMap((parameter) => argumentOf(parameter, place, fields))],
		values: Object.fromEntries(options.flatMap((option) => optionOf(option, command, fields))) as OptionValues, // sound: each has the type that `declared` gives it
	}
}

function argumentOf(parameter: string, { document }: PlacedAction, fields: FieldValues): readonly string[] {
	const name = nameOf(parameter)
	const text = String(fields[name] ?? '').trim()
	if (text === '') {
		if (parameter.startsWith('[')) return []
		throw new ConsoleError(`${name} is missing`, { status: 400 })
	}
	if (name === document) return ['the document']
	if (parameter.endsWith('...')) return text.split(/\s+/)
	return [name === 'FILE' ? resolve(text) : text]
}

/** An empty text leaves the option out. For a setting, it removes the setting. */
function optionOf(option: Option, { words }: Command, fields: FieldValues): readonly (readonly [Option, unknown])[] {
	const value = fields[option]
	const isFlag = declared[option].type === 'boolean'
	if (value === undefined || value === false || (value === '' && words !== 'tenant set')) return []
	if (isFlag !== (value === true))
		throw new ConsoleError(`${option} must be ${isFlag ? 'true or false' : 'a text'}`, { status: 400 })
	if (option === 'out') return [[option, resolve(String(value))]]
	return [[option, 'multiple' in declared[option] && declared[option].multiple ? [value] : value]]
}
