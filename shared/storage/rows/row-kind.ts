import { Fault } from '../../fault.ts'
import type { Properties } from '../table/batch.ts'
import { kindOfRow, type Row } from '../table/tables.ts'

/** One value of a row: how it is stored, what it means, how it is read and written. */
export type Column<T> = {
	/** The name of the property in Table Storage. It is short, because every row repeats it. */
	readonly stored: string
	readonly meaning: string
	readonly isIn: (row: Row) => boolean
	/** @throws Fault if the row lacks a value that it must have */
	readonly of: (row: Row) => T
	properties(value: NonNullable<T>): Properties
}

type Columns = Readonly<Record<string, Column<unknown>>>

/** The values of a row by the names that the code uses. A value that is undefined is not written. */
type Values<C extends Columns> = {
	readonly [Name in keyof C]?: C[Name] extends Column<infer T> ? NonNullable<T> | undefined : never
}

type Declaration<Parts extends readonly string[], C extends Columns> = {
	/** The names of the parts of the key, for the documentation. */
	readonly parts: Parts
	readonly key: (...parts: { readonly [Index in keyof Parts]: string }) => string
	readonly meaning: string
	readonly columns: C
}

/** A kind of row: its key, its columns and what both mean. Each column is a member by its name. */
export type RowKind<Parts extends readonly string[], C extends Columns> = C & {
	readonly key: Declaration<Parts, C>['key']
	/** The key with the names of its parts in place of values, such as `m|<group>|<user>`. */
	readonly pattern: string
	readonly meaning: string
	readonly columns: C
	/** Values as the properties of a row, of a whole row or of a merge. */
	readonly properties: (values: Values<C>) => Properties
}

export function rowKind<const Parts extends readonly string[], C extends Columns>(
	declaration: Declaration<Parts, C>,
): RowKind<Parts, C> {
	const { parts, key, meaning, columns } = declaration
	const names = parts.map((part) => `<${part}>`) as { [Index in keyof Parts]: string } // sound: one name for each part
	return { ...columns, key, pattern: key(...names), meaning, columns, properties: (values) => stored(columns, values) }
}

function stored<C extends Columns>(columns: C, values: Values<C>): Properties {
	const properties: Record<string, Properties[string]> = {}
	for (const [name, value] of Object.entries(values)) {
		const column = columns[name]
		if (column !== undefined && value !== undefined) Object.assign(properties, column.properties(value))
	}
	return properties
}

/** A string that every row of the kind has. */
export const text = (stored: string, meaning: string): Column<string> =>
	column(stored, meaning, (row) => {
		const value = row[stored]
		return typeof value === 'string' ? value : missing(row, stored)
	})

/** A string that only some rows of the kind have. */
export const optionalText = (stored: string, meaning: string): Column<string | undefined> =>
	column(stored, meaning, (row) => {
		const value = row[stored]
		return typeof value === 'string' ? value : undefined
	})

/** A boolean; a row without it has false. */
export const flag = (stored: string, meaning: string): Column<boolean> =>
	column(stored, meaning, (row) => row[stored] === true)

/** Strings by numbers from 0, each in a property of its own, so that several processes can add theirs to one row. */
export const numberedTexts = (prefix: string, meaning: string): Column<ReadonlyMap<number, string>> => {
	const form = new RegExp(`^${prefix}(\\d+)$`)
	const of = (row: Row) =>
		new Map(
			Object.entries(row).flatMap(([name, value]) => {
				const number = form.exec(name)?.[1]
				return number === undefined || typeof value !== 'string' ? [] : [[Number(number), value] as const]
			}),
		)
	return {
		stored: `${prefix}0`,
		meaning,
		isIn: (row) => of(row).size > 0,
		of,
		properties: (texts) => Object.fromEntries([...texts].map(([number, value]) => [`${prefix}${number}`, value])),
	}
}

/** A number that every row of the kind has. */
export const integer = (stored: string, meaning: string): Column<number> =>
	column(stored, meaning, (row) => {
		const value = row[stored]
		return typeof value === 'number' ? value : missing(row, stored)
	})

/** A number; a row without it has 0. */
export const tally = (stored: string, meaning: string): Column<number> =>
	column(stored, meaning, (row) => {
		const value = row[stored]
		return typeof value === 'number' ? value : 0
	})

const column = <T extends string | number | boolean | undefined>(
	stored: string,
	meaning: string,
	of: (row: Row) => T,
): Column<T> => ({
	stored,
	meaning,
	isIn: (row) => row[stored] !== undefined,
	of,
	properties: (value) => ({ [stored]: value }),
})

/** @throws Fault always; keys hold names of people, so that only the kind of the row is told */
export function missing(row: Row, stored: string): never {
	throw new Fault(`${kindOfRow(row.RowKey)} has no ${stored}`)
}
