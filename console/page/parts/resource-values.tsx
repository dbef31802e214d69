import type { ShownValue } from '../../answers/lookup.ts'

/** The values of a person or group. */
export function ResourceValues({ values }: { readonly values: readonly ShownValue[] }) {
	return (
		<dl class="attributes">
			{values.map(({ path, value }) => (
				<div key={path}>
					<dt>{path}</dt>
					<dd>{value}</dd>
				</div>
			))}
		</dl>
	)
}
