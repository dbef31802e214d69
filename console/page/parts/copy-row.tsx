import { Copy } from './copy.tsx'

/** An entry of a list of values to copy, such as a Tenant URL or a token. */
export function CopyRow({ name, value }: { readonly name: string; readonly value: string }) {
	return (
		<>
			<dt>{name}</dt>
			<dd>
				<Copy name={name} value={value} />
			</dd>
		</>
	)
}
