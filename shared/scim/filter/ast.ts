import type { AttributePath } from '../resource-type.ts'

/** RFC 7644 table 3, without `pr`. */
export type CompareOperator = 'eq' | 'ne' | 'co' | 'sw' | 'ew' | 'gt' | 'ge' | 'lt' | 'le'

/** The `compValue` of RFC 7644 figure 1. */
export type CompareValue = string | number | boolean | null

/** A filter expression of RFC 7644 section 3.4.2.2. */
export type Filter = AttributeExpression | PresentExpression | LogicalExpression | NotExpression | ValuePath

/** `userName eq "bjensen"` */
export type AttributeExpression = {
	readonly kind: 'attributeExpression'
	readonly path: AttributePath
	readonly operator: CompareOperator
	readonly value: CompareValue
}

/** `title pr` */
export type PresentExpression = { readonly kind: 'presentExpression'; readonly path: AttributePath }

/** `a eq 1 and b eq 2`: two or more operands of one operator, in order. */
export type LogicalExpression = {
	readonly kind: 'logicalExpression'
	readonly operator: 'and' | 'or'
	readonly operands: readonly Filter[]
}

/** `not (a eq 1)` */
export type NotExpression = { readonly kind: 'notExpression'; readonly operand: Filter }

/** `emails[type eq "work"]`. The paths inside the brackets are sub-attributes of the attribute outside. */
export type ValuePath = { readonly kind: 'valuePath'; readonly path: AttributePath; readonly filter: Filter }

/** How many values a filter compares with a resource or an element, so that its work can be limited. */
export function comparisonsIn(filter: Filter | undefined): number {
	switch (filter?.kind) {
		case undefined:
			return 0
		case 'logicalExpression':
			return filter.operands.reduce((sum, operand) => sum + comparisonsIn(operand), 0)
		case 'notExpression':
			return comparisonsIn(filter.operand)
		case 'valuePath':
			return comparisonsIn(filter.filter)
		case 'attributeExpression':
		case 'presentExpression':
			return 1
	}
}
