import { announce } from './live-region.tsx'

/** A value with a button that copies it. `name` is what the value is, such as `Tenant URL`. */
export function Copy({ name, value }: { readonly name: string; readonly value: string }) {
	const copy = async (): Promise<void> => {
		try {
			await navigator.clipboard.writeText(value)
			announce(`${name} copied`)
		} catch {
			announce(`the browser does not let this page copy: select the ${name} and copy it`)
		}
	}
	return (
		<span class="copy">
			<code>{value}</code>
			<button type="button" class="small" aria-label={`Copy ${name}`} onClick={copy}>
				Copy
			</button>
		</span>
	)
}
