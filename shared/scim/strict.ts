import type { Quirk, Quirks } from './dialect.ts'
import { ScimError, type ScimType } from './error.ts'

/** `standard` understands the deviations of named clients; `strict` refuses them. */
export type Dialect = 'standard' | 'strict'

type StrictRefusal = readonly [scimType: ScimType, detail: string]

/**
 * What a strict tenant says of each deviation: what came, and what the standard wants. The two that are about undeclared
 * names are left to the rule for such names.
 */
export const strictRefusals: Readonly<Record<Exclude<Quirk, 'unknownLeftOut' | 'unknownKept'>, StrictRefusal>> = {
	booleanFromString: ['invalidValue', 'a boolean is true or false, without quotes (RFC 7643 section 2.3.2)'],
	numberFromString: ['invalidValue', 'a number is written without quotes (RFC 7643 section 2.3.4)'],
	stringFromScalar: ['invalidValue', 'a string is written with quotes (RFC 7643 section 2.3.1)'],
	complexFromJson: ['invalidValue', 'a complex value is an object, not JSON inside a string (RFC 7643 section 2.3.8)'],
	complexFromString: ['invalidValue', 'a complex value is an object such as {"value": "…"} (RFC 7643 section 2.3.8)'],
	singleFromList: ['invalidValue', 'an attribute with a single value is not a list (RFC 7643 section 2.4)'],
	roleFromJson: ['invalidValue', 'the value of a role is not JSON inside a string (RFC 7643 section 4.1.2)'],
	displayFromDisplayName: [
		'invalidValue',
		'the sub-attribute is called display, not displayName (RFC 7643 section 2.4)',
	],
	operationsAlone: ['invalidSyntax', 'the data of a PATCH is an object with Operations (RFC 7644 section 3.5.2)'],
	emptySchemas: ['invalidSyntax', 'schemas names the URN of the message or resource (RFC 7643 section 3)'],
	urnInOtherSpelling: [
		'invalidPath',
		'the URN is written as in RFC 7643 section 10.3.1, with a colon before the attribute',
	],
	operationInAnyCase: ['invalidSyntax', 'op is add, remove or replace in lower case (RFC 7644 section 3.5.2)'],
	namesInAnyCase: ['invalidSyntax', 'a PATCH has Operations, and each has op, path and value (RFC 7644 section 3.5.2)'],
	elementFromFilter: [
		'noTarget',
		'the filter of the path matches no value: add the value whole (RFC 7644 section 3.5.2.3)',
	],
	listOfSingle: ['invalidPath', 'an attribute with a single value has no filter in its path (RFC 7644 section 3.5.2)'],
	namesValuesToRemove: [
		'invalidSyntax',
		'a remove names its values by a filter in the path, and has no value (RFC 7644 section 3.5.2.2)',
	],
	unquotedValue: ['invalidFilter', 'a string in a filter has double quotes (RFC 7644 section 3.4.2.2)'],
}

const isAboutUndeclared = (quirk: Quirk): quirk is 'unknownLeftOut' | 'unknownKept' =>
	quirk === 'unknownLeftOut' || quirk === 'unknownKept'

/** Makes the quirks of a request follow a dialect: those of `strict` refuse a deviation when it is found. */
export function following<Q extends Quirks>(dialect: Dialect, quirks: Q): Q {
	if (dialect === 'standard') return quirks
	const add = quirks.add.bind(quirks)
	return Object.assign(quirks, {
		add(quirk: Quirk): Q {
			if (!isAboutUndeclared(quirk)) throw refusalOf(quirk)
			add(quirk)
			return quirks
		},
	})
}

function refusalOf(quirk: keyof typeof strictRefusals): ScimError {
	const [scimType, detail] = strictRefusals[quirk]
	return new ScimError(400, `${detail}; this tenant is strict and takes nothing else`, { scimType })
}
