import fc from 'fast-check'
import type { CompareOperator, CompareValue, Filter } from '../../../../shared/scim/filter/ast.ts'
import type { AttributePath } from '../../../../shared/scim/resource-type.ts'

const name = fc.stringMatching(/^\$?[a-zA-Z][a-zA-Z0-9_$-]{0,8}$/)
const uri = fc.constantFrom(
	'urn:ietf:params:scim:schemas:core:2.0:User',
	'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User',
	'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group',
)
const operator = fc.constantFrom<CompareOperator>('eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le')
const value: fc.Arbitrary<CompareValue> = fc.oneof(
	fc.string({ unit: 'binary', maxLength: 12 }),
	fc.string({ unit: fc.constantFrom('"', '\\', '(', ')', '[', ']', "'", '#', ' ', 'é', '\n', '\ud800'), maxLength: 6 }),
	// JSON has no negative zero.
	fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
	fc.boolean(),
	fc.constant(null),
)

/** If `withSub` is false, makes names that may stand before a bracket. */
export const arbitraryPath = ({ withSub }: { readonly withSub: boolean }): fc.Arbitrary<AttributePath> =>
	fc
		.tuple(
			fc.option(uri, { nil: undefined }),
			name,
			withSub ? fc.option(name, { nil: undefined }) : fc.constant(undefined),
		)
		.map(([uri, name, sub]) => ({ ...(uri !== undefined && { uri }), name, ...(sub !== undefined && { sub }) }))

const expression = fc.oneof(
	fc.record({
		kind: fc.constant('attributeExpression' as const),
		path: arbitraryPath({ withSub: true }),
		operator,
		value,
	}),
	fc.record({ kind: fc.constant('presentExpression' as const), path: arbitraryPath({ withSub: true }) }),
)

const combined = (leaf: fc.Arbitrary<Filter>): fc.Arbitrary<Filter> =>
	fc.letrec<{ filter: Filter }>((tie) => ({
		filter: fc.oneof(
			{ maxDepth: 4, depthIdentifier: 'filter' },
			leaf,
			fc.record({
				kind: fc.constant('logicalExpression' as const),
				operator: fc.constantFrom('and' as const, 'or' as const),
				operands: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }),
			}),
			fc.record({ kind: fc.constant('notExpression' as const), operand: tie('filter') }),
		),
	})).filter

/** Filters that may stand inside the brackets of a value path. */
export const arbitraryValueFilter: fc.Arbitrary<Filter> = combined(expression)

/** Any filter that has a written form. */
export const arbitraryFilter: fc.Arbitrary<Filter> = combined(
	fc.oneof(
		expression,
		fc.record({
			kind: fc.constant('valuePath' as const),
			path: arbitraryPath({ withSub: false }),
			filter: arbitraryValueFilter,
		}),
	),
)

/** Strings close to the grammar, so that the parser gets beyond the first token. */
export const almostFilter: fc.Arbitrary<string> = fc.oneof(
	fc.string({ unit: 'binary' }),
	fc
		.array(
			fc.constantFrom(
				'(',
				')',
				'[',
				']',
				'"',
				'"x"',
				'\\',
				'.',
				':',
				' ',
				' and ',
				' or ',
				'not ',
				'emails',
				'eq',
				' pr',
				'1',
				'$',
			),
			{ maxLength: 30 },
		)
		.map((pieces) => pieces.join('')),
)
