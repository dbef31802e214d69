import { randomUUID } from 'node:crypto'
import { urn } from '../../shared/scim/urn.ts'
import { isObject } from '../../shared/scim/value.ts'
import type { ProviderAnswer, ProvisioningClient } from './client.ts'
import { expectError, expectList, expectResource, expectStatus, type ReturnedResource } from './expect.ts'
import { type CheckFinding, findingOf, Shortfall } from './finding.ts'
import { quoted } from './reading.ts'

/** The user and the group that the checks create. `createdPaths` are the paths of resources that still exist. */
type Lab = {
	client: ProvisioningClient
	readonly userName: string
	readonly displayName: string
	user: string | undefined
	group: string | undefined
	readonly createdPaths: Set<string>
}

type Stage = {
	readonly name: string
	/** The resources that earlier stages must have created. Without them the stage is skipped. */
	readonly needs: readonly ('user' | 'group')[]
	run(lab: Lab): Promise<string>
}

/** Does what the SCIM Validator does, with a user and a group that are created for it and deleted at the end. */
export async function writingFindings(client: ProvisioningClient): Promise<readonly CheckFinding[]> {
	const mark = randomUUID()
	const lab: Lab = {
		client,
		userName: `rollcall-check-${mark}@example.com`,
		displayName: `Rollcall check (${mark})`,
		user: undefined,
		group: undefined,
		createdPaths: new Set(),
	}
	const findings: CheckFinding[] = []
	try {
		for (const { name, needs, run } of stages) {
			if (needs.some((need) => lab[need] === undefined)) continue
			lab.client = client.during(name)
			findings.push(await findingOf(name, () => run(lab)))
		}
	} finally {
		if (lab.createdPaths.size > 0) findings.push(await findingOf('clean up', () => cleanUp(lab)))
	}
	return findings
}

const stages: readonly Stage[] = [
	{
		name: 'create a user',
		needs: [],
		async run(lab) {
			const { client, userName } = lab
			const answer = await client.send('POST', '/Users', { body: userOf(userName) })
			const path = keep(lab, '/Users', answer)
			const shown = expectResource(answer, [201], 'answer a POST with 201 and the whole user, its id included')
			lab.user = path
			const sent = 'the POST of a user'
			expectValue('userName', shown.userName, { expected: userName, sent })
			expectValue('emails[type eq "work"].value', workEmail(shown), { expected: userName, sent })
			expectValue('active', shown.active, { expected: true, sent })
			if (answer.location === undefined) {
				throw new Shortfall('201 without Location', 'send the address of the new user (RFC 7644 section 3.3)', {
					isWarning: true,
				})
			}
			return '201, the whole user and its Location'
		},
	},
	{
		name: 'create the same user again',
		needs: ['user'],
		async run(lab) {
			const answer = await lab.client.send('POST', '/Users', { body: userOf(lab.userName) })
			keep(lab, '/Users', answer)
			return expectConflict(answer, 'userName')
		},
	},
	{
		name: 'match the user in another letter case',
		needs: ['user'],
		async run({ client, userName, user }) {
			const answer = await client.send('GET', `/Users?filter=userName+eq+${quoted(userName.toUpperCase())}`)
			return expectFound(
				expectList(answer, 'answer a filter by userName with 200 and a ListResponse').Resources,
				user,
				'userName',
			)
		},
	},
	{
		name: 'match the user by e-mail address',
		needs: ['user'],
		async run({ client, userName, user }) {
			const filter = `${encodeURIComponent('emails[type eq "work"].value eq ')}${quoted(userName)}`
			const answer = await client.send('GET', `/Users?filter=${filter}`)
			return expectFound(
				expectList(answer, 'support filters of the form emails[type eq "work"].value').Resources,
				user,
				'address',
			)
		},
	},
	{
		name: 'replace attributes',
		needs: ['user'],
		async run(lab) {
			const email = `2-${lab.userName}`
			const shown = await patched(lab, lab.user, 'a PATCH that replaces attributes of a user', [
				{ op: 'Replace', path: 'name.familyName', value: 'Replaced' },
				{ op: 'Replace', path: 'emails[type eq "work"].value', value: email },
				{ op: 'replace', value: { displayName: 'Replaced too', 'name.givenName': 'Given' } },
			])
			const byPath = 'a replace with a path'
			expectValue('name.familyName', member(shown.name, 'familyName'), { expected: 'Replaced', sent: byPath })
			expectValue('emails[type eq "work"].value', workEmail(shown), { expected: email, sent: byPath })
			const bare = 'a replace without a path'
			expectValue('displayName', shown.displayName, { expected: 'Replaced too', sent: bare })
			expectValue('name.givenName', member(shown.name, 'givenName'), { expected: 'Given', sent: bare })
			return 'each value is set, with and without a path'
		},
	},
	{
		name: 'add new attributes',
		needs: ['user'],
		async run(lab) {
			const sent = 'a PATCH that adds attributes to a user'
			const number = '+1 555 0100'
			const shown = await patched(lab, lab.user, sent, [
				{ op: 'Add', path: 'phoneNumbers[type eq "mobile"].value', value: number },
				{ op: 'Add', path: `${urn.enterpriseUser}:department`, value: 'Checks' },
			])
			expectValue('phoneNumbers[type eq "mobile"].value', mobile(shown), { expected: number, sent })
			expectValue('department', enterprise(shown, 'department'), { expected: 'Checks', sent })
			return 'a phone number by its type, and an enterprise attribute'
		},
	},
	{
		name: 'set and remove the manager',
		needs: ['user'],
		async run(lab) {
			const path = `${urn.enterpriseUser}:manager`
			const sent = 'a PATCH that adds a manager by a string'
			const added = await patched(lab, lab.user, sent, [{ op: 'Add', path, value: 'a-manager' }])
			expectValue('manager.value', managerOf(added), { expected: 'a-manager', sent })
			const removing = 'a PATCH that replaces the manager by ""'
			const removed = await patched(lab, lab.user, removing, [{ op: 'Replace', path, value: '' }])
			if (managerOf(removed) !== undefined)
				throw new Shortfall('the manager is still there', 'treat a replace with "" as a removal of the manager')
			return 'set by a string, removed by an empty one'
		},
	},
	{
		name: 'disable the user',
		needs: ['user'],
		async run(lab) {
			const sent = 'a PATCH of active to "False"'
			const { active } = await patched(lab, lab.user, sent, [{ op: 'Replace', path: 'active', value: 'False' }])
			expectValue('active', active, { expected: false, sent })
			const answer = await lab.client.send('GET', `/Users?filter=userName+eq+${quoted(lab.userName)}`)
			const [shown = {}] = expectList(answer, 'return disabled users too').Resources
			expectValue('active', shown.active, { expected: false, sent: 'a search for the disabled user' })
			return 'active is false, also in a search'
		},
	},
	{
		name: 'create a group',
		needs: [],
		async run(lab) {
			const answer = await lab.client.send('POST', '/Groups', { body: groupOf(lab.displayName) })
			const path = keep(lab, '/Groups', answer)
			expectResource(answer, [201], 'answer a POST with 201 and the group')
			lab.group = path
			return '201 and the group'
		},
	},
	{
		name: 'create the same group again',
		needs: ['group'],
		async run(lab) {
			const answer = await lab.client.send('POST', '/Groups', { body: groupOf(lab.displayName) })
			keep(lab, '/Groups', answer)
			return expectConflict(answer, 'displayName')
		},
	},
	{
		name: 'match the group in another letter case',
		needs: ['group'],
		async run({ client, displayName, group }) {
			const filter = `displayName+eq+${quoted(displayName.toUpperCase())}`
			const answer = await client.send('GET', `/Groups?excludedAttributes=members&filter=${filter}`)
			return expectFound(
				expectList(answer, 'answer a filter by displayName with 200 and a ListResponse').Resources,
				group,
				'displayName',
			)
		},
	},
	{
		name: 'add a member',
		needs: ['user', 'group'],
		async run(lab) {
			const id = lab.user?.slice('/Users/'.length)
			const sent = 'a PATCH that adds a member'
			const shown = await patched(lab, lab.group, sent, [{ op: 'Add', path: 'members', value: [{ value: id }] }])
			expectValue('members', memberIds(shown)[0], { expected: id, sent })
			const bare = await read(lab, `${lab.group}?excludedAttributes=members`, 'excludedAttributes=members')
			if ('members' in bare) {
				throw new Shortfall(
					'members are returned despite excludedAttributes=members',
					'leave them out: Entra reads even large groups in this way',
				)
			}
			return 'is a member, and is left out by excludedAttributes=members'
		},
	},
	{
		name: 'remove the member',
		needs: ['user', 'group'],
		async run(lab) {
			const id = lab.user?.slice('/Users/'.length)
			const shown = await patched(lab, lab.group, 'a PATCH that removes a member', [
				{ op: 'Remove', path: `members[value eq "${id}"]` },
			])
			if (memberIds(shown).length > 0)
				throw new Shortfall('the member is still there', 'support a remove whose path is members[value eq "…"]')
			return 'by members[value eq "…"]'
		},
	},
	{
		name: 'rename the group',
		needs: ['group'],
		async run(lab) {
			const displayName = `${lab.displayName} renamed`
			const sent = 'a PATCH that renames a group'
			const shown = await patched(lab, lab.group, sent, [{ op: 'Replace', value: { displayName } }])
			expectValue('displayName', shown.displayName, { expected: displayName, sent })
			return 'without a path'
		},
	},
	{ name: 'delete the group', needs: ['group'], run: (lab) => deletion(lab, lab.group, 'group') },
	{ name: 'delete the user', needs: ['user'], run: (lab) => deletion(lab, lab.user, 'user') },
]

const userOf = (userName: string) => ({
	schemas: [urn.user, urn.enterpriseUser],
	userName,
	externalId: userName,
	displayName: 'Rollcall check',
	active: true,
	name: { givenName: 'Rollcall', familyName: 'Check' },
	emails: [{ type: 'work', value: userName, primary: true }],
	[urn.enterpriseUser]: { employeeNumber: '7' },
})

const groupOf = (displayName: string) => ({ schemas: [urn.group], displayName, externalId: displayName })

const workEmail = (user: ReturnedResource): unknown => member(ofType(user.emails, 'work'), 'value')
const mobile = (user: ReturnedResource): unknown => member(ofType(user.phoneNumbers, 'mobile'), 'value')
const enterprise = (user: ReturnedResource, name: string): unknown => member(user[urn.enterpriseUser], name)

/** A removed manager may be absent, null or "". */
const managerOf = (user: ReturnedResource): unknown => member(enterprise(user, 'manager'), 'value') || undefined

const memberIds = ({ members }: ReturnedResource): readonly unknown[] =>
	Array.isArray(members) ? members.map((each) => member(each, 'value')) : []

const member = (value: unknown, name: string): unknown => (isObject(value) ? value[name] : undefined)

const ofType = (values: unknown, type: string): unknown =>
	Array.isArray(values) ? values.find((each) => member(each, 'type') === type) : undefined

/** `sent` is the request that gave the attribute its value. */
type ExpectedValue = { readonly expected: unknown; readonly sent: string }

function expectValue(name: string, value: unknown, { expected, sent }: ExpectedValue): void {
	if (value === expected) return
	const shown = value === undefined ? 'absent' : JSON.stringify(value)
	throw new Shortfall(
		`${name} is ${shown} instead of ${JSON.stringify(expected)}`,
		`store and return the value of ${name} that is set by ${sent}`,
	)
}

type SentPatchOperation = { readonly op: string; readonly path?: string; readonly value?: unknown }

/** Sends a PATCH, which `what` describes, and reads the resource. */
async function patched(
	lab: Lab,
	path = '',
	what: string,
	Operations: readonly SentPatchOperation[],
): Promise<ReturnedResource> {
	const answer = await lab.client.send('PATCH', path, { body: { schemas: [urn.patchOp], Operations } })
	expectStatus(answer, [200, 204], `support ${what} as Entra sends it, with operations in any letter case`)
	return read(lab, path, what)
}

const read = async ({ client }: Lab, path: string, what: string): Promise<ReturnedResource> =>
	expectResource(await client.send('GET', path), [200], `answer a GET by the id with 200, also after ${what}`)

/** Remembers every resource that a POST has created, even by mistake, so that it is deleted at the end. */
function keep({ createdPaths }: Lab, endpoint: string, { status, body }: ProviderAnswer): string {
	const id = member(body, 'id')
	const path = `${endpoint}/${encodeURIComponent(String(id))}`
	if (status < 300 && id !== undefined) createdPaths.add(path)
	return path
}

function expectConflict(answer: ProviderAnswer, attribute: string): string {
	const remedy = `answer 409 if the ${attribute} is taken: otherwise Entra creates duplicates`
	const { scimType } = expectError(answer, 409, remedy)
	if (scimType === 'uniqueness') return '409, uniqueness'
	throw new Shortfall(`409 without scimType`, `name the reason for a taken ${attribute}: "scimType": "uniqueness"`, {
		isWarning: true,
	})
}

function expectFound(resources: readonly unknown[], path = '', attribute: string): string {
	const ids = resources.map((each) => encodeURIComponent(String(member(each, 'id'))))
	if (ids.length === 1 && path.endsWith(`/${ids[0]}`)) return 'the one that was created'
	throw new Shortfall(
		`${ids.length} found instead of the one that was created`,
		`compare ${attribute} without regard to letter case: otherwise Entra creates a duplicate`,
	)
}

async function deletion({ client, createdPaths }: Lab, path = '', kind: 'user' | 'group'): Promise<string> {
	expectStatus(await client.send('DELETE', path), [204], `answer the DELETE of a ${kind} with 204`)
	createdPaths.delete(path)
	expectStatus(await client.send('GET', path), [404], `answer 404 to a GET of a deleted ${kind}`)
	expectStatus(await client.send('DELETE', path), [404], `answer 404 to a second DELETE of a ${kind}`)
	return '204, then 404'
}

async function cleanUp({ client, createdPaths }: Lab): Promise<string> {
	const leftovers: string[] = []
	for (const path of createdPaths) {
		const { status } = await client.send('DELETE', path)
		if (status !== 204 && status !== 404) leftovers.push(path)
	}
	if (leftovers.length === 0) return `${createdPaths.size} deleted`
	throw new Shortfall(`left behind: ${leftovers.join(', ')}`, 'delete it by hand')
}
