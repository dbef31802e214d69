import { hrefOf } from '../address.ts'

/** The search for people and groups. What was typed is in the address, so that Back returns to it. */
export function SearchBox({ tenant, text }: { readonly tenant: string; readonly text: string }) {
	const search = (event: SubmitEvent): void => {
		event.preventDefault()
		const form = event.currentTarget
		if (!(form instanceof HTMLFormElement)) return
		const typed = String(new FormData(form).get('text') ?? '').trim()
		location.hash = hrefOf(['tenants', tenant], typed === '' ? {} : { text: typed })
	}
	return (
		<search>
			<form class="search" onSubmit={search}>
				<label for="search">Search people and groups</label>
				<input
					id="search"
					name="text"
					type="search"
					defaultValue={text}
					key={text}
					placeholder="The beginning of a userName, name, e-mail or externalId; or an id"
					autocomplete="off"
					spellcheck={false}
				/>
				<button type="submit">Search</button>
			</form>
		</search>
	)
}
