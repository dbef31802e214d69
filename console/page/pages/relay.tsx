import { useState } from 'preact/hooks'
import type { AppHealth, CheckFindings, ShownAgent, ShownFinding, TenantRelay } from '../../answers/relay.ts'
import { ActionButton, type PageActions } from '../actions/action-button.tsx'
import { usePageActions } from '../actions/use-page-actions.tsx'
import { type ApiOutcome, ask } from '../api.ts'
import { CopyRow } from '../parts/copy-row.tsx'
import { announce } from '../parts/live-region.tsx'
import { EmptyNotice, Loaded, Loading, ProblemNotice } from '../parts/states.tsx'
import { rowButtons, Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { useAnswer } from '../use-answer.ts'

/** The relay of a tenant and its agents; and the checks of the app, of an agent, and of the Tenant URL. */
export function RelayPage({ tenant }: { readonly tenant: string }) {
	const answer = useAnswer<TenantRelay>(`/tenants/${encodeURIComponent(tenant)}/relay`, { every: 30 })
	const { actions, dialog } = usePageActions(tenant, 'relay', answer.refresh)
	return (
		<>
			<h1>Relay and checks</h1>
			{dialog}
			<Loaded answer={answer} show={(relay) => <Everything relay={relay} actions={actions} />} />
		</>
	)
}

type RelayPartProps = { readonly relay: TenantRelay; readonly actions: PageActions }

function Everything({ relay, actions }: RelayPartProps) {
	const { tenant } = actions
	return (
		<>
			<h2>Relay</h2>
			{relay.mode === 'store' ? (
				<EmptyNotice title={`The directory of ${tenant} is in Rollcall, so that it needs no relay and no agent.`} />
			) : (
				<RelayParts relay={relay} actions={actions} />
			)}
			<h2>The app</h2>
			<p>What the app says of the services that the tenant needs, and of agents that are out of date.</p>
			<HealthCheck tenant={tenant} hasToken={relay.hasToken} />
			<h2>The Tenant URL</h2>
			<p>The requests of Test Connection in Entra, and those of Microsoft's SCIM Validator.</p>
			<UrlCheck tenant={tenant} hasToken={relay.hasToken} />
			{relay.mode === 'relay' && (
				<>
					<h2>Findings of an agent's doctor</h2>
					<DoctorFindings />
				</>
			)}
		</>
	)
}

function RelayParts({ relay, actions }: RelayPartProps) {
	const { namespace, missing, hybridConnection, trusted, agents, agentSettings } = relay
	return (
		<>
			{missing !== undefined && <ProblemNotice problem={{ status: 503, error: `Missing: ${missing}` }} />}
			<dl class="values">
				{namespace !== undefined && <CopyRow name="Namespace" value={namespace} />}
				<CopyRow name="Hybrid connection" value={hybridConnection} />
			</dl>
			<p>
				{trusted.length === 0
					? 'Every agent that may listen is trusted. The setting agent trusts only some.'
					: `Trusted agents: ${trusted.join(', ')}.`}
			</p>
			<h3>Agents</h3>
			<p class="buttons">
				<ActionButton actions={actions} words="agent add" label="Add an agent" />
				<ActionButton actions={actions} words="agent rotate" label="Renew the key of Azure Relay" fields={['now']} />
			</p>
			<Agents agents={agents} actions={actions} />
			<h3>relay.json of the agent</h3>
			<p>Correct origin.url and credentials in it.</p>
			<pre>{JSON.stringify(agentSettings, null, 2)}</pre>
		</>
	)
}

function Agents({ agents, actions }: { readonly agents: readonly ShownAgent[]; readonly actions: PageActions }) {
	if (agents.length === 0) return <EmptyNotice title={`No agent of the tenant ${actions.tenant} has a code.`} />
	return (
		<Table columns={['Agent', 'State', 'Machine', 'Enrolled', 'Last token', rowButtons]}>
			{agents.map((agent) => (
				<AgentRow key={agent.id} agent={agent} actions={actions} />
			))}
		</Table>
	)
}

function AgentRow({ agent, actions }: { readonly agent: ShownAgent; readonly actions: PageActions }) {
	const { id, state, label, host, version, fingerprint, codeExpires, enrolled, removed, lastToken } = agent
	const known = { AGENT: id }
	return (
		<tr class={removed === undefined ? undefined : 'ended'}>
			<th scope="row">
				{label}
				<code class="id">{id}</code>
			</th>
			<td>
				{state}
				{codeExpires !== undefined && (
					<div class="hint">
						the code ends <Time at={codeExpires} />
					</div>
				)}
			</td>
			<td>
				{host} {version}
				{fingerprint !== undefined && <code class="id">{fingerprint}</code>}
			</td>
			<td>{enrolled !== undefined && <Time at={enrolled} />}</td>
			<td>{lastToken !== undefined && <Time at={lastToken} />}</td>
			<td class="row-buttons">
				{removed === undefined && (
					<>
						<ActionButton
							actions={actions}
							words="agent rotate"
							label="New key"
							of={label ?? id}
							known={known}
							fields={[]}
						/>
						<ActionButton actions={actions} words="agent remove" label="Remove" of={label ?? id} known={known} />
					</>
				)}
			</td>
		</tr>
	)
}

type CheckProps = { readonly tenant: string; readonly hasToken: boolean }

/** A question to the server that is asked when a button is pressed. */
function useQuestion<T>() {
	const [outcome, setOutcome] = useState<ApiOutcome<T> | 'idle' | 'asking'>('idle')
	const put = (path: string, body: unknown): void => {
		setOutcome('asking')
		void ask<T>(path, { method: 'POST', body }).then((answer) => {
			setOutcome(answer)
			announce('problem' in answer ? answer.problem.error : 'The checks are done.')
		})
	}
	return { outcome, put }
}

type TokenFieldProps = {
	readonly id: string
	readonly hasToken: boolean
	readonly value: string
	readonly onChange: (value: string) => void
}

function TokenField({ id, hasToken, value, onChange }: TokenFieldProps) {
	return (
		<div class="field">
			<label for={id}>Secret Token</label>
			<input
				id={id}
				type="password"
				autocomplete="off"
				value={value}
				required={!hasToken}
				aria-describedby={`${id}-hint`}
				onInput={(event) => onChange(event.currentTarget.value)}
			/>
			<p class="hint" id={`${id}-hint`}>
				{hasToken
					? 'If it is empty, a token of this machine is used.'
					: 'It is used once and not kept: the vault has digests alone.'}
			</p>
		</div>
	)
}

function HealthCheck({ tenant, hasToken }: CheckProps) {
	const [token, setToken] = useState('')
	const { outcome, put } = useQuestion<AppHealth>()
	return (
		<>
			<form
				class="panel"
				aria-label="Ask the app"
				onSubmit={(event) => {
					event.preventDefault()
					put(`/tenants/${encodeURIComponent(tenant)}/health`, { token: token.trim() })
				}}
			>
				<TokenField id="health-token" hasToken={hasToken} value={token} onChange={setToken} />
				<p class="buttons">
					<button type="submit" class="main" disabled={outcome === 'asking'}>
						Ask the app
					</button>
				</p>
			</form>
			<Answer
				outcome={outcome}
				show={({ checks }) => (
					<Findings
						findings={checks.map(({ name, status, milliseconds, detail }) => ({
							name,
							verdict: status === 'ok' ? 'PASS' : 'FAIL',
							seen: [detail, milliseconds === undefined ? undefined : `${milliseconds} ms`]
								.filter((part) => part !== undefined)
								.join('; '),
						}))}
					/>
				)}
			/>
		</>
	)
}

function UrlCheck({ tenant, hasToken }: CheckProps) {
	const [token, setToken] = useState('')
	const [isWriting, setWriting] = useState(false)
	const { outcome, put } = useQuestion<CheckFindings>()
	return (
		<>
			<form
				class="panel"
				aria-label="Check the Tenant URL"
				onSubmit={(event) => {
					event.preventDefault()
					put(`/tenants/${encodeURIComponent(tenant)}/check`, { token: token.trim(), write: isWriting })
				}}
			>
				<TokenField id="check-token" hasToken={hasToken} value={token} onChange={setToken} />
				<div class="field flag">
					<input
						id="check-write"
						type="checkbox"
						checked={isWriting}
						onChange={(event) => setWriting(event.currentTarget.checked)}
					/>
					<label for="check-write">Also create, change and delete a user and a group</label>
				</div>
				<p class="buttons">
					<button type="submit" class="main" disabled={outcome === 'asking'}>
						Check
					</button>
				</p>
			</form>
			<Answer outcome={outcome} show={({ findings }) => <Findings findings={findings} />} />
		</>
	)
}

type AnswerProps<T> = {
	readonly outcome: ApiOutcome<T> | 'idle' | 'asking'
	readonly show: (value: T) => preact.ComponentChildren
}

function Answer<T>({ outcome, show }: AnswerProps<T>) {
	if (outcome === 'idle') return null
	if (outcome === 'asking') return <Loading />
	return 'problem' in outcome ? <ProblemNotice problem={outcome.problem} /> : show(outcome.value)
}

function Findings({ findings }: { readonly findings: readonly ShownFinding[] }) {
	return (
		<Table columns={['Check', 'Verdict', 'What was seen, and what helps']}>
			{findings.map(({ name, verdict, seen, remedy }, index) => (
				<tr key={`${index} ${name}`}>
					<th scope="row">{name}</th>
					<td class={verdict === 'FAIL' ? 'bad' : verdict === 'WARN' ? 'warn' : undefined}>{verdict}</td>
					<td>
						{seen}
						{remedy !== undefined && <div class="hint">{remedy}</div>}
					</td>
				</tr>
			))}
		</Table>
	)
}

/** The doctor runs beside the agent, which this machine may not reach. Its findings are pasted. */
function DoctorFindings() {
	const [text, setText] = useState('')
	const findings = findingsIn(text)
	return (
		<>
			<p>
				Run <code>rollcall-relay doctor --config relay.json --json</code> beside the agent, and paste what it prints.
			</p>
			<div class="field">
				<label for="doctor">What the doctor prints</label>
				<textarea
					id="doctor"
					rows={5}
					spellcheck={false}
					value={text}
					onInput={(event) => setText(event.currentTarget.value)}
				/>
			</div>
			{text.trim() !== '' &&
				(findings === undefined ? (
					<ProblemNotice problem={{ status: 400, error: 'this is not what doctor --json prints' }} />
				) : (
					<Findings findings={findings} />
				))}
		</>
	)
}

const verdicts: readonly string[] = ['PASS', 'WARN', 'FAIL', 'SKIP']

/** The findings in the JSON of `doctor --json`, the failed ones first; undefined if the text is something else. */
function findingsIn(text: string): readonly ShownFinding[] | undefined {
	try {
		const parsed: unknown = JSON.parse(text)
		if (!Array.isArray(parsed) || !parsed.every(isFinding)) return undefined
		return parsed
			.map(({ code, ...finding }) => ({ ...finding, name: code }))
			.toSorted((one, other) => rank(one.verdict) - rank(other.verdict))
	} catch (error) {
		if (error instanceof SyntaxError) return undefined
		throw error
	}
}

const rank = (verdict: string): number => ['FAIL', 'WARN', 'PASS', 'SKIP'].indexOf(verdict)

type CodedFinding = Omit<ShownFinding, 'name'> & { readonly code: string }

function isFinding(value: unknown): value is CodedFinding {
	if (typeof value !== 'object' || value === null) return false
	const { code, verdict, seen, remedy } = Object.fromEntries(Object.entries(value))
	return (
		typeof code === 'string' &&
		verdicts.includes(String(verdict)) &&
		typeof seen === 'string' &&
		(remedy === undefined || typeof remedy === 'string')
	)
}
