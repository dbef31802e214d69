import type { AttributePath } from '../resource-type.ts'
import type { Filter } from './ast.ts'

/**
 * Writes a filter so that `parseFilter` reads the same filter back:
 * `userName eq "bjensen" and (title pr or active eq true)`.
 */
export function printFilter(filter: Filter): string {
	switch (filter.kind) {
		case 'attributeExpression':
			return `${printAttributePath(filter.path)} ${filter.operator} ${JSON.stringify(filter.value)}`
		case 'presentExpression':
			return `${printAttributePath(filter.path)} pr`
		case 'notExpression':
			return `not (${printFilter(filter.operand)})`
		case 'valuePath':
			return `${printAttributePath(filter.path)}[${printFilter(filter.filter)}]`
		case 'logicalExpression':
			return filter.operands.map(printOperand).join(` ${filter.operator} `)
	}
}

const printOperand = (operand: Filter): string =>
	operand.kind === 'logicalExpression' ? `(${printFilter(operand)})` : printFilter(operand)

/** `urn:…:User:name.givenName` */
export const printAttributePath = ({ uri, name, sub }: AttributePath): string =>
	`${uri === undefined ? '' : `${uri}:`}${name}${sub === undefined ? '' : `.${sub}`}`
