import { useEffect, useState } from 'preact/hooks'
import { useAddress } from './address.ts'
import { onSessionEnd, openSession, type Problem } from './api.ts'
import { docHref } from './docs/doc-address.ts'
import { pageAt, tenantPages } from './pages.tsx'
import { useAbout, WithAbout } from './parts/about.tsx'
import { LiveRegion } from './parts/live-region.tsx'
import { TenantMenu } from './parts/menu.tsx'
import { Shortcuts } from './parts/shortcuts.tsx'
import { ProblemNotice } from './parts/states.tsx'
import { sessionKey } from './session.ts'

type SessionState = 'opening' | 'open' | Problem

const noSession: Problem = {
	status: 401,
	error: 'this tab has no session',
	hint: 'press Enter in the terminal of the console, which prints a new link',
}

/** The page: first the exchange of the link for a session, then what the address names. */
export function App({ linkKey }: { readonly linkKey: string | undefined }) {
	const [state, setState] = useState<SessionState>(linkKey === undefined ? openOrNot : 'opening')
	useEffect(() => {
		onSessionEnd(setState)
		if (linkKey === undefined) return
		openSession(linkKey).then(
			(outcome) => setState('problem' in outcome ? outcome.problem : 'open'),
			() => setState(noSession),
		)
	}, [linkKey])
	if (state === 'opening') return <main class="alone" aria-busy="true" />
	if (state === 'open') {
		return (
			<WithAbout>
				<Shell />
			</WithAbout>
		)
	}
	return (
		<main class="alone">
			<h1>Rollcall console</h1>
			<ProblemNotice problem={state} />
		</main>
	)
}

const openOrNot = (): SessionState => (sessionKey() === null ? noSession : 'open')

function Shell() {
	const address = useAddress()
	const page = pageAt(address)
	const [first, tenant] = address.parts
	const title = page?.title ?? 'No such page'
	useEffect(() => {
		document.title = `${title} · Rollcall`
	}, [title])
	return (
		<>
			<button type="button" class="skip" onClick={focusContent}>
				Skip to the content
			</button>
			<header>
				<a class="brand" href="#/">
					Rollcall
				</a>
				{first === 'tenants' && tenant !== undefined && (
					<TenantMenu tenant={tenant} pages={tenantPages} current={address.parts[2] ?? ''} />
				)}
			</header>
			<main id="content" tabIndex={-1}>
				{page?.content ?? <ProblemNotice problem={{ status: 404, error: 'there is no such page' }} />}
			</main>
			<Footer />
			<LiveRegion />
		</>
	)
}

function Footer() {
	const { place, version } = useAbout()
	return (
		<footer>
			<span>
				Rollcall {version}, {place} · <a href={docHref('docs/README.md')}>Documentation</a>
			</span>
			<Shortcuts />
		</footer>
	)
}

/** A link to a fragment would change the address, which names the page. */
const focusContent = (): void => document.getElementById('content')?.focus()
