import { useState } from 'preact/hooks'
import type { Connection, SampleAnswer, SampleAnswers } from '../../answers/connect.ts'
import { hrefOf } from '../address.ts'
import { ask, type Problem } from '../api.ts'
import { freshToken } from '../fresh-tokens.ts'
import { useAbout } from '../parts/about.tsx'
import { CopyRow } from '../parts/copy-row.tsx'
import { announce } from '../parts/live-region.tsx'
import { Loaded, ProblemNotice } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { DocLink } from '../parts/with-docs.tsx'
import { useAnswer } from '../use-answer.ts'
import { entraSteps, oktaSteps } from './provider-steps.ts'

/** What an identity provider needs to know of a tenant, with the steps there; and samples for a tenant that is empty. */
export function ConnectPage({ tenant }: { readonly tenant: string }) {
	const answer = useAnswer<Connection>(`/tenants/${encodeURIComponent(tenant)}/connection`)
	return (
		<>
			<h1>Connect {tenant}</h1>
			<Loaded answer={answer} show={(connection) => <Connect {...connection} />} />
		</>
	)
}

function Connect(connection: Connection) {
	const { name, url, isPublic, isEmpty, agentSettings } = connection
	const fresh = freshToken(name)
	const token = fresh ?? connection.token
	return (
		<>
			<dl class="values">
				<CopyRow name="Tenant URL" value={url} />
				{token === undefined ? <NoToken tenant={name} /> : <CopyRow name="Secret Token" value={token} />}
			</dl>
			{fresh !== undefined && connection.token === undefined && (
				<p class="warn">Copy the token now. The console cannot show it again.</p>
			)}
			{isEmpty && <Samples tenant={name} token={fresh} />}
			{agentSettings !== undefined && (
				<>
					<h2>The agent</h2>
					<p>
						Save this as <code>relay.json</code> beside the agent, and correct <code>origin.url</code> and{' '}
						<code>credentials</code>. The page <DocLink page="docs/relay.md" /> has the steps.
					</p>
					<pre>{agentSettings}</pre>
				</>
			)}
			{!isPublic && (
				<p class="quiet">
					Entra and Okta run in the cloud and cannot reach this machine. Use these values with a client on this machine,
					or deploy Rollcall first: <DocLink page="docs/deploy.md" />.
				</p>
			)}
			<ProviderSteps />
		</>
	)
}

const NoToken = ({ tenant }: { readonly tenant: string }) => (
	<div>
		<dt>Secret Token</dt>
		<dd>
			The token was shown when it was made. <a href={hrefOf(['tenants', tenant, 'credentials'])}>Credentials</a> has a
			button for another one.
		</dd>
	</div>
)

const providers = [
	{ name: 'Microsoft Entra ID', steps: entraSteps, page: 'docs/entra.md' },
	{ name: 'Okta', steps: oktaSteps, page: 'docs/okta.md' },
]

function ProviderSteps() {
	const [chosen, choose] = useState(providers[0])
	return (
		<section aria-labelledby="steps">
			<h2 id="steps">Steps at the identity provider</h2>
			<p class="buttons">
				{providers.map((provider) => (
					<button key={provider.name} type="button" aria-pressed={provider === chosen} onClick={() => choose(provider)}>
						{provider.name}
					</button>
				))}
			</p>
			<ol class="steps">
				{chosen?.steps.map((step) => (
					<li key={step}>{step}</li>
				))}
			</ol>
			{chosen !== undefined && (
				<p class="quiet">
					The page <DocLink page={chosen.page} /> has more: mappings, groups, and what messages mean.
				</p>
			)}
		</section>
	)
}

/** The button of an empty tenant. It sends a user, a group, and a request that is refused. */
function Samples({ tenant, token }: { readonly tenant: string; readonly token: string | undefined }) {
	const { missingRole } = useAbout()
	const [problem, setProblem] = useState<Problem>()
	const [answers, setAnswers] = useState<readonly SampleAnswer[]>()
	const [isSending, setSending] = useState(false)
	const send = async (): Promise<void> => {
		setSending(true)
		const body = token === undefined ? {} : { token }
		const path = `/tenants/${encodeURIComponent(tenant)}/samples`
		const outcome = await ask<SampleAnswers>(path, { method: 'POST', body })
		setSending(false)
		if ('problem' in outcome) return setProblem(outcome.problem)
		setProblem(undefined)
		setAnswers(outcome.value.answers)
		announce('The samples were sent')
	}
	return (
		<section class="panel" aria-labelledby="samples">
			<h2 id="samples">{answers === undefined ? 'The tenant is empty' : 'The samples were sent'}</h2>
			{answers === undefined ? (
				<>
					<p>See how it works before you connect anything: send a user, a group, and one request that is refused.</p>
					<p class="buttons">
						<button type="button" class="main" disabled={isSending || missingRole !== undefined} onClick={send}>
							Send samples
						</button>
						{missingRole !== undefined && <span class="quiet">You need the role {missingRole}.</span>}
					</p>
				</>
			) : (
				<SampleTable answers={answers} tenant={tenant} />
			)}
			{problem !== undefined && <ProblemNotice problem={problem} />}
		</section>
	)
}

type SampleTableProps = SampleAnswers & { readonly tenant: string }

function SampleTable({ answers, tenant }: SampleTableProps) {
	return (
		<>
			<Table columns={['Sample', 'Request', 'Answer']}>
				{answers.map(({ title, request, status, detail }) => (
					<tr key={title}>
						<th scope="row">{title}</th>
						<td>
							<code>{request}</code>
						</td>
						<td class={status < 400 ? '' : 'bad'}>
							{status} {detail}
						</td>
					</tr>
				))}
			</Table>
			<p>
				<a href={hrefOf(['tenants', tenant])}>See what happened in {tenant}</a>
			</p>
		</>
	)
}
