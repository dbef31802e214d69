import { useState } from 'preact/hooks'
import type { ShownClient, ShownCredentials, ShownToken, TokenValue } from '../../answers/credentials.ts'
import { ActionButton, type PageActions } from '../actions/action-button.tsx'
import { usePageActions } from '../actions/use-page-actions.tsx'
import { type ApiOutcome, ask } from '../api.ts'
import { CopyRow } from '../parts/copy-row.tsx'
import { EmptyNotice, Loaded, ProblemNotice } from '../parts/states.tsx'
import { rowButtons, Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { useAnswer } from '../use-answer.ts'

type CredentialsProps = { readonly tenant: string }

/** The tokens, OAuth clients, federations and readers of a tenant. */
export function CredentialsPage({ tenant }: CredentialsProps) {
	const answer = useAnswer<ShownCredentials>(`/tenants/${encodeURIComponent(tenant)}/credentials`, { every: 30 })
	const { actions, dialog } = usePageActions(tenant, 'credentials', answer.refresh)
	return (
		<>
			<h1>Credentials</h1>
			{dialog}
			<Loaded answer={answer} show={(credentials) => <Everything credentials={credentials} actions={actions} />} />
		</>
	)
}

type Shown = { readonly credentials: ShownCredentials; readonly actions: PageActions }

function Everything({ credentials, actions }: Shown) {
	return (
		<>
			<dl class="values">
				<CopyRow name="Tenant URL" value={credentials.url} />
			</dl>
			<h2>Tokens</h2>
			<p class="buttons">
				<ActionButton actions={actions} words="token add" label="Add a token" />
				<ActionButton actions={actions} words="token rotate" label="Rotate the token" />
			</p>
			<Tokens credentials={credentials} actions={actions} />
			<h2>OAuth clients, federations and readers</h2>
			<p class="buttons">
				<ActionButton actions={actions} words="client add" label="Add a client" />
				<ActionButton actions={actions} words="federation add" label="Add a federation" />
				<ActionButton actions={actions} words="reader add" label="Add a reader" />
				<ActionButton actions={actions} words="key rotate" label="Rotate the signing key" />
			</p>
			<Clients credentials={credentials} actions={actions} />
			<h2>Microsoft Entra ID</h2>
			<p class="buttons">
				<ActionButton actions={actions} words="entra status" label="Show the provisioning job" />
				<ActionButton actions={actions} words="connect entra" label="Connect" />
				<ActionButton actions={actions} words="entra provision" label="Provision one user" />
				<ActionButton actions={actions} words="disconnect entra" label="Disconnect" />
			</p>
		</>
	)
}

function Tokens({ credentials: { tokens, isOnThisMachine }, actions }: Shown) {
	if ('error' in tokens) return <ProblemNotice problem={{ status: 403, ...tokens }} />
	if (tokens.length === 0) return <EmptyNotice title={`The tenant ${actions.tenant} has no tokens.`} />
	return (
		<Table columns={['Token', 'State', 'Scope', 'Created', 'Expires', 'Last used', rowButtons]}>
			{tokens.map((token) => (
				<TokenRow key={token.version} token={token} isShowable={isOnThisMachine} actions={actions} />
			))}
		</Table>
	)
}

type TokenRowProps = { readonly token: ShownToken; readonly isShowable: boolean; readonly actions: PageActions }

function TokenRow({ token, isShowable, actions }: TokenRowProps) {
	const { version, label, state, scope, created, expires, lastUsed, stored } = token
	return (
		<tr class={state === 'disabled' || state === 'expired' ? 'ended' : undefined}>
			<th scope="row">
				{label}
				<code class="id">{version}</code>
			</th>
			<td>{state}</td>
			<td>{scopeInWords(scope)}</td>
			<td>
				<Time at={created} />
			</td>
			<td>{expires !== undefined && <Time at={expires} />}</td>
			<td>
				<LastUse at={lastUsed} />
			</td>
			<td class="row-buttons">
				{isShowable && stored === 'plain' && state === 'accepted' && (
					<ShowToken tenant={actions.tenant} version={version} />
				)}
				{state !== 'disabled' && (
					<ActionButton
						actions={actions}
						words="token disable"
						label="Disable"
						of={label ?? version}
						known={{ VERSION: version }}
					/>
				)}
			</td>
		</tr>
	)
}

const scopeInWords = (scope: string): string => (scope === 'scim.read' ? 'read' : 'full')

const LastUse = ({ at }: { readonly at: string | undefined }) => (at === undefined ? <>unused</> : <Time at={at} />)

/** Shows a token of this machine, when it is asked for. */
function ShowToken({ tenant, version }: { readonly tenant: string; readonly version: string }) {
	const [shown, setShown] = useState<ApiOutcome<TokenValue>>()
	const show = async (): Promise<void> =>
		setShown(await ask<TokenValue>(`/tenants/${encodeURIComponent(tenant)}/tokens/${encodeURIComponent(version)}`))
	if (shown === undefined) {
		return (
			<button type="button" onClick={() => void show()} aria-label={`Show ${version}`}>
				Show
			</button>
		)
	}
	if ('problem' in shown) return <ProblemNotice problem={shown.problem} />
	return (
		<dl class="values">
			<CopyRow name="Secret Token" value={shown.value.token} />
		</dl>
	)
}

function Clients({ credentials: { clients }, actions }: Shown) {
	if (clients.length === 0) return <EmptyNotice title={`The tenant ${actions.tenant} has no clients.`} />
	return (
		<Table columns={['Client', 'Kind', 'State', 'Scope', 'Secrets', 'Last used', rowButtons]}>
			{clients.map((client) => (
				<ClientRow key={client.id} client={client} actions={actions} />
			))}
		</Table>
	)
}

function ClientRow({ client, actions }: { readonly client: ShownClient; readonly actions: PageActions }) {
	const { id, kind, label, scope, isDisabled = false, lastUsed, secrets = [], trust } = client
	const known = { CLIENT: id }
	return (
		<tr class={isDisabled ? 'ended' : undefined}>
			<th scope="row">
				{label}
				<code class="id">{id}</code>
			</th>
			<td>{kind === 'secret' ? 'OAuth client' : kind}</td>
			<td>{isDisabled ? 'disabled' : 'accepted'}</td>
			<td>{scopeInWords(scope)}</td>
			<td>
				{trust !== undefined && (
					<>
						subject <code>{trust.subject}</code> of Entra tenant <code>{trust.tenant}</code>
					</>
				)}
				{secrets.map((secret) => (
					<div key={secret.id} class="secret">
						<code>{secret.id}</code> {secret.state}, until <Time at={secret.expires} />{' '}
						{secret.state === 'accepted' && !isDisabled && (
							<ActionButton
								actions={actions}
								words="client disable"
								label="Disable"
								of={`the secret ${secret.id}`}
								known={{ ...known, secret: secret.id }}
							/>
						)}
					</div>
				))}
			</td>
			<td>
				<LastUse at={lastUsed} />
			</td>
			<td class="row-buttons">
				{kind === 'secret' && !isDisabled && (
					<ActionButton actions={actions} words="client rotate" label="Rotate" of={label ?? id} known={known} />
				)}
				{!isDisabled && (
					<ActionButton
						actions={actions}
						words="client disable"
						label="Disable"
						of={label ?? id}
						known={known}
						fields={[]}
					/>
				)}
			</td>
		</tr>
	)
}
