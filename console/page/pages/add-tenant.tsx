import { useEffect, useRef, useState } from 'preact/hooks'
import type { NewTenant } from '../../answers/connect.ts'
import { hrefOf } from '../address.ts'
import { ask, type Problem } from '../api.ts'
import { keepFreshToken } from '../fresh-tokens.ts'
import { useAbout } from '../parts/about.tsx'
import { ProblemNotice } from '../parts/states.tsx'

/** A button that shows the form of a new tenant. */
export function AddTenant() {
	const { missingRole } = useAbout()
	const [isOpen, setOpen] = useState(false)
	if (missingRole !== undefined) {
		return <p class="quiet">To add a tenant, you need the role {missingRole} on the storage account.</p>
	}
	if (isOpen) return <NewTenantForm cancel={() => setOpen(false)} />
	return (
		<p>
			<button type="button" onClick={() => setOpen(true)}>
				Add a tenant
			</button>
		</p>
	)
}

function NewTenantForm({ cancel }: { readonly cancel: () => void }) {
	const [problem, setProblem] = useState<Problem>()
	const [isSending, setSending] = useState(false)
	const first = useRef<HTMLInputElement>(null)
	useEffect(() => first.current?.focus(), [])
	const add = async (event: SubmitEvent & { readonly currentTarget: HTMLFormElement }): Promise<void> => {
		event.preventDefault()
		const fields = new FormData(event.currentTarget)
		setSending(true)
		const outcome = await ask<NewTenant>('/tenants', { method: 'POST', body: Object.fromEntries(fields) })
		setSending(false)
		if ('problem' in outcome) return setProblem(outcome.problem)
		const { name, token } = outcome.value
		keepFreshToken(name, token)
		location.hash = hrefOf(['tenants', name, 'connect'])
	}
	return (
		<form class="panel" onSubmit={add} aria-labelledby="add-tenant">
			<h2 id="add-tenant">Add a tenant</h2>
			<div class="field">
				<label for="new-tenant">Name</label>
				<input
					id="new-tenant"
					name="name"
					class="short"
					ref={first}
					required
					autocomplete="off"
					spellcheck={false}
					aria-describedby="name-rule"
				/>
				<p class="hint" id="name-rule">
					2 to 39 lower-case letters and digits, with single hyphens between them. The name is in the Tenant URL.
				</p>
			</div>
			<fieldset class="choices">
				<legend>Where the users and groups are</legend>
				<label>
					<input type="radio" name="mode" value="store" defaultChecked /> In Rollcall
				</label>
				<label>
					<input type="radio" name="mode" value="relay" /> In a SCIM server in a private network, behind Azure Relay
				</label>
			</fieldset>
			{problem !== undefined && <ProblemNotice problem={problem} />}
			<p class="buttons">
				<button type="submit" class="main" disabled={isSending}>
					Add
				</button>
				<button type="button" onClick={cancel}>
					Cancel
				</button>
			</p>
		</form>
	)
}
