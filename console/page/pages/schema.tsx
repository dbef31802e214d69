import type {
	DeclaredSchema,
	ShownIndex,
	ShownPath,
	ShownSetting,
	ShownSettings,
	TenantSchema,
} from '../../answers/schema.ts'
import { ActionButton, type PageActions } from '../actions/action-button.tsx'
import { usePageActions } from '../actions/use-page-actions.tsx'
import { EmptyNotice, Loaded, ProblemNotice } from '../parts/states.tsx'
import { numberColumn, rowButtons, Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { useAnswer } from '../use-answer.ts'

/** The attributes of a tenant's own, what arrives undeclared, the indexes, and the settings. */
export function SchemaPage({ tenant }: { readonly tenant: string }) {
	const path = `/tenants/${encodeURIComponent(tenant)}`
	const schema = useAnswer<TenantSchema>(`${path}/schema`, { every: 10 })
	const settings = useAnswer<ShownSettings>(`${path}/settings`)
	const refresh = (): void => {
		schema.refresh()
		settings.refresh()
	}
	const { actions, dialog } = usePageActions(tenant, 'schema', refresh)
	const isInScimServer = schema.problem?.status === 409
	return (
		<>
			<h1>Schema and settings</h1>
			{dialog}
			{isInScimServer && schema.problem !== undefined ? (
				<EmptyNotice title={`${tenant} has no schema in Rollcall: ${schema.problem.error}.`} />
			) : (
				<Loaded answer={schema} show={(value) => <Everything schema={value} actions={actions} />} />
			)}
			<h2>Settings</h2>
			<Loaded answer={settings} show={(value) => <Settings {...value} actions={actions} />} />
		</>
	)
}

function Everything({ schema, actions }: { readonly schema: TenantSchema; readonly actions: PageActions }) {
	return (
		<>
			<h2>Declared</h2>
			<p class="buttons">
				<ActionButton actions={actions} words="schema add" label="Add a schema" initial={{ FILE: example }} />
				<ActionButton actions={actions} words="schema check" label="Compare what is stored" />
			</p>
			<Schemas schemas={schema.schemas} actions={actions} />
			<h2>Observed</h2>
			<Observed observed={schema.observed} actions={actions} />
			<h2>Indexes</h2>
			<p class="buttons">
				<ActionButton actions={actions} words="index add" label="Add an index" />
			</p>
			<Indexes indexes={schema.indexes} actions={actions} />
		</>
	)
}

/** What a new document begins with. */
const example = `{
  "id": "urn:example:params:scim:schemas:hr:2.0:User",
  "name": "HR",
  "attributes": [
    { "name": "badge" }
  ]
}`

function Schemas({ schemas, actions }: { readonly schemas: readonly DeclaredSchema[]; readonly actions: PageActions }) {
	if (schemas.length === 0) return <EmptyNotice title={`The tenant ${actions.tenant} has no schema of its own.`} />
	return (
		<Table columns={['URN', 'Resources', 'Attributes', rowButtons]}>
			{schemas.map(({ id, resourceType, attributes }) => (
				<tr key={id}>
					<th scope="row">
						<code>{id}</code>
					</th>
					<td>{resourcesInWords(resourceType)}</td>
					<td>
						{attributes.map((attribute) => (
							<div key={attribute.name}>
								{attribute.name} <span class="hint">{typeInWords(attribute)}</span>
							</div>
						))}
					</td>
					<td class="row-buttons">
						<ActionButton actions={actions} words="schema remove" label="Remove" of={id} known={{ URN: id }} />
					</td>
				</tr>
			))}
		</Table>
	)
}

const resourcesInWords = (type: 'User' | 'Group'): string => (type === 'User' ? 'users' : 'groups')

function typeInWords({ type = 'string', multiValued, subAttributes = [] }: DeclaredSchema['attributes'][number]) {
	const parts = subAttributes.length === 0 ? '' : ` of ${subAttributes.map(({ name }) => name).join(', ')}`
	return `${multiValued ? `a list of ${type}` : type}${parts}`
}

function Observed({ observed, actions }: { readonly observed: readonly ShownPath[]; readonly actions: PageActions }) {
	if (observed.length === 0) {
		return <EmptyNotice title={`No client has sent ${actions.tenant} an attribute that no schema declares.`} />
	}
	return (
		<Table columns={['Path', 'Resources', 'JSON', numberColumn('Requests'), 'Last', rowButtons]}>
			{observed.map(({ path, resourceType, types, count, last, didYouMean }) => (
				<tr key={`${resourceType} ${path}`}>
					<th scope="row">
						<code>{path}</code>
						{didYouMean !== undefined && <div class="warn">is it {didYouMean}?</div>}
					</th>
					<td>{resourcesInWords(resourceType)}</td>
					<td>{types.join(', ')}</td>
					<td class="number">{count.toLocaleString('en')}</td>
					<td>
						<Time at={last} />
					</td>
					<td class="row-buttons">
						<ActionButton actions={actions} words="schema adopt" label="Adopt" of={path} known={{ PATH: path }} />
						<ActionButton actions={actions} words="schema forget" label="Forget" of={path} known={{ PATH: path }} />
					</td>
				</tr>
			))}
		</Table>
	)
}

function Indexes({ indexes, actions }: { readonly indexes: readonly ShownIndex[]; readonly actions: PageActions }) {
	if (indexes.length === 0) return <EmptyNotice title={`The tenant ${actions.tenant} has no indexes of its own.`} />
	return (
		<Table columns={['Path', 'Unique', 'State', rowButtons]}>
			{indexes.map(({ path, isUnique, state, filled, shared }) => (
				<tr key={path}>
					<th scope="row">
						<code>{path}</code>
					</th>
					<td>{isUnique ? 'yes' : 'no'}</td>
					<td>
						{state}
						{filled !== undefined && <progress max={1} value={filled} aria-label={`The index of ${path}`} />}
						{shared > 0 && <div class="warn">{shared} of its values belong to several users</div>}
					</td>
					<td class="row-buttons">
						<ActionButton actions={actions} words="index remove" label="Remove" of={path} known={{ PATH: path }} />
					</td>
				</tr>
			))}
		</Table>
	)
}

function Settings({ settings, actions }: ShownSettings & { readonly actions: PageActions }) {
	if (settings.length === 0) return <ProblemNotice problem={{ status: 500, error: 'there are no settings' }} />
	return (
		<Table columns={['Setting', 'Value', 'What it does', rowButtons]}>
			{settings.map((setting) => (
				<SettingRow key={setting.option} setting={setting} actions={actions} />
			))}
		</Table>
	)
}

function SettingRow({ setting, actions }: { readonly setting: ShownSetting; readonly actions: PageActions }) {
	const { option, value, byDefault, help } = setting
	return (
		<tr>
			<th scope="row">{option}</th>
			<td>{value ?? (byDefault === undefined ? <span class="hint">not set</span> : `${byDefault} (default)`)}</td>
			<td>{help}</td>
			<td class="row-buttons">
				<ActionButton
					actions={actions}
					words="tenant set"
					label="Change"
					of={option}
					initial={{ [option]: value ?? '' }}
					fields={[option]}
				/>
			</td>
		</tr>
	)
}
