import { type Cloud, clouds, type OAuthClient, type Trust } from '../shared/auth/client.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import { newClientId, storeNewClient, tokenEndpointOf } from './client.ts'
import type { TargetCommand } from './command.ts'
import { labelOf, scopeOf } from './credential-options.ts'
import type { OptionValues } from './options.ts'
import { table } from './table.ts'
import { tenantNamed } from './tenant.ts'

/** Adds a client that proves itself by a token of Entra. The options may be pasted as Microsoft's pages show them. */
export const addFederation: TargetCommand = ({ args: [name = ''], values }) => {
	const described = { ...labelOf(values), scope: scopeOf(values) }
	const trust = trustOf(values)
	return async (target) => {
		const tenant = await tenantNamed(target, name)
		const client: OAuthClient = {
			kind: 'federation',
			id: newClientId(),
			...described,
			created: new Date().toISOString(),
			trust,
		}
		await storeNewClient(target, tenant, client)
		const [url, tokenEndpoint] = [target.urlOf(name), tokenEndpointOf(target, name)]
		return {
			text: table([
				['Tenant URL', url],
				['Token endpoint', tokenEndpoint],
				['Client id', client.id],
				['Scope', client.scope],
				...rowsOf(trust),
			]),
			json: { name, url, tokenEndpoint, clientId: client.id, scope: client.scope, trust },
		}
	}
}

/** Adds an application in Azure that reads the tenant with its own identity, and needs no secret. */
export const addReader: TargetCommand = ({ args: [name = '', ids = ''], values }) => {
	const label = labelOf(values)
	const trust = readerTrustOf(ids, values)
	return async (target) => {
		const tenant = await tenantNamed(target, name)
		const client: OAuthClient = {
			kind: 'reader',
			id: newClientId(),
			...label,
			scope: 'scim.read',
			created: new Date().toISOString(),
			trust,
		}
		await storeNewClient(target, tenant, client)
		const url = target.urlOf(name)
		return {
			text: table([['Tenant URL', url], ['Reader', client.id], ['Scope', client.scope], ...rowsOf(trust)]),
			json: { name, url, reader: client.id, scope: client.scope, trust },
		}
	}
}

const rowsOf = ({ cloud, tenant, subject, audience, application, acceptsV1 }: Trust): readonly string[][] => [
	['Issuer', `https://${cloud}/${tenant}/v2.0`],
	['Subject', subject],
	['Audience', `${audience} or api://${audience}`],
	...(application === undefined ? [] : [['Application', application]]),
	...(acceptsV1 === undefined ? [] : [['Version 1.0', 'accepted too']]),
]

const guidPattern = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'

function trustOf(values: OptionValues): Trust {
	const { cloud, tenant, isV1 } = issuerOf(required(values, 'issuer'))
	const acceptsV1 = values['accept-v1'] === true
	if (isV1 && !acceptsV1) {
		throw new UsageError(`--issuer ${values.issuer} issues tokens of version 1.0`, {
			hint: `give https://${cloud}/${tenant}/v2.0, or --accept-v1 if the workload can only get tokens of version 1.0`,
		})
	}
	return {
		cloud,
		tenant,
		subject: guidOf(values, 'subject'),
		audience: audienceOf(values),
		...(values.application !== undefined && { application: guidOf(values, 'application') }),
		...(acceptsV1 && { acceptsV1: true }),
	}
}

function readerTrustOf(text: string, values: OptionValues): Trust {
	const [, tenant = '', subject = ''] = new RegExp(`^(${guidPattern})/(${guidPattern})$`, 'i').exec(text.trim()) ?? []
	if (subject === '') {
		throw new UsageError(`${text} is not the id of an Entra tenant, a slash, and the object id of an identity`, {
			hint: 'az account show --query tenantId; az identity show --query principalId',
		})
	}
	return {
		cloud: 'login.microsoftonline.com',
		tenant: tenant.toLowerCase(),
		subject: subject.toLowerCase(),
		audience: audienceOf(values),
		...(values['accept-v1'] === true && { acceptsV1: true }),
	}
}

type Issuer = { readonly cloud: Cloud; readonly tenant: string; readonly isV1: boolean }

/** Reads `https://<host>/<tenant>/v2.0`, with or without the end, and the id of the Entra tenant alone. */
function issuerOf(text: string): Issuer {
	const [, host = 'login.microsoftonline.com', tenant = ''] =
		new RegExp(`^(?:https://([^/]+)/)?(${guidPattern})(?:/(?:v2\\.0/?)?)?$`, 'i').exec(text.trim()) ?? []
	const names = Object.keys(clouds) as Cloud[] // sound: the names of the clouds
	const isV1 = names.some((name) => clouds[name].issuerOfV1 === `https://${host.toLowerCase()}`)
	const cloud = names.find((name) =>
		isV1 ? clouds[name].issuerOfV1 === `https://${host.toLowerCase()}` : name === host.toLowerCase(),
	)
	if (cloud !== undefined && tenant !== '') return { cloud, tenant: tenant.toLowerCase(), isV1 }
	throw new UsageError(`--issuer ${text} is not an issuer of Entra`, {
		hint: 'it looks like https://login.microsoftonline.com/TENANT_ID/v2.0',
	})
}

/** Reads `api://<id>/.default`, `api://<id>` and the id alone. */
function audienceOf(values: OptionValues): string {
	const text = required(values, 'audience')
	const [, id] = new RegExp(`^(?:api://)?(${guidPattern})(?:/(?:\\.default)?)?$`, 'i').exec(text.trim()) ?? []
	if (id !== undefined) return id.toLowerCase()
	throw new UsageError(`--audience ${text} is not the id of an application`, {
		hint: 'it looks like api://APPLICATION_ID, or is the id alone',
	})
}

function guidOf(values: OptionValues, option: 'subject' | 'application'): string {
	const text = required(values, option)
	if (new RegExp(`^${guidPattern}$`, 'i').test(text.trim())) return text.trim().toLowerCase()
	throw new UsageError(`--${option} ${text} is not an id`, {
		hint: 'it looks like 11111111-2222-3333-4444-555555555555',
	})
}

function required(values: OptionValues, option: 'issuer' | 'subject' | 'audience' | 'application'): string {
	const value = values[option]
	if (value !== undefined) return value
	throw new UsageError(`--${option} is missing`, { hint: 'see docs/entra.md for where the values are' })
}
