import * as z from 'zod'
import { Failure } from '../cli/failure.ts'
import type { DeploymentTarget } from '../cli/target.ts'
import { countsOf, newToken } from '../cli/tenant.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { ConsoleError } from './answer.ts'
import type { SampleAnswer } from './answers/connect.ts'

const userSchema = 'urn:ietf:params:scim:schemas:core:2.0:User'
const groupSchema = 'urn:ietf:params:scim:schemas:core:2.0:Group'

const samplePerson = {
	schemas: [userSchema],
	userName: 'sample.person@example.com',
	externalId: 'sample-person',
	name: { givenName: 'Sample', familyName: 'Person' },
	displayName: 'Sample Person',
	emails: [{ type: 'work', value: 'sample.person@example.com', primary: true }],
	active: true,
}

/**
 * Sends what an identity provider sends to an empty tenant: a user, a group with that user as its member, and the same user
 * again, which is refused. Without a token of the caller, the samples have a token of their own, which is disabled at the end.
 *
 * @throws Failure if the tenant is not empty, ConsoleError 502 if nothing answers at the Tenant URL
 */
export async function sendSamples(
	target: DeploymentTarget,
	tenant: Tenant,
	token: string | undefined,
): Promise<readonly SampleAnswer[]> {
	await requireEmpty(target, tenant)
	const known = token ?? (await target.shownTokens?.(tenant.name))?.[0]
	if (known !== undefined) return sendWith(target.urlOf(tenant.name), known)
	const { value, stored } = newToken(tenant)
	const added = await target.tokens.add(tenant.name, stored, { label: 'samples of the console' })
	try {
		return await sendWith(target.urlOf(tenant.name), value)
	} finally {
		await target.tokens.change(tenant.name, added, { enabled: false })
	}
}

async function requireEmpty(target: DeploymentTarget, tenant: Tenant): Promise<void> {
	const hint = 'samples are for a tenant of mode store without users and groups'
	if (tenant.mode === 'relay') throw new Failure(`the tenant ${tenant.name} has no directory in Rollcall`, { hint })
	const { users, groups } = await countsOf(target, tenant)
	if (users + groups > 0) throw new Failure(`the tenant ${tenant.name} is not empty`, { hint })
}

async function sendWith(url: string, token: string): Promise<readonly SampleAnswer[]> {
	const post = async (title: string, endpoint: string, body: object) => {
		const answer = await send(`${url}${endpoint}`, token, body)
		return { id: answer.id, answer: { title, request: `POST ${endpoint}`, ...answer.shown } }
	}
	const person = await post('a user', '/Users', samplePerson)
	const members = person.id === undefined ? [] : [{ value: person.id }]
	const group = { schemas: [groupSchema], displayName: 'Sample group', externalId: 'sample-group', members }
	const answers = [
		person,
		await post('a group with the user as its member', '/Groups', group),
		await post('the same user again, which has to be refused', '/Users', samplePerson),
	]
	return answers.map(({ answer }) => answer)
}

const answerShape = z.object({ id: z.string().optional(), detail: z.string().optional() })

async function send(url: string, token: string, body: object) {
	const response = await fetch(url, {
		method: 'POST',
		headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
		body: JSON.stringify(body),
	}).catch((cause: unknown) => {
		const hint = url.startsWith('https:') ? 'is the function app running?' : 'start npm start with this data folder'
		throw new ConsoleError(`nothing answers at ${url}`, { status: 502, hint, cause })
	})
	const { id, detail } = answerShape.catch({}).parse(await response.json().catch(() => ({})))
	return { id, shown: { status: response.status, ...(detail !== undefined && { detail }) } }
}
