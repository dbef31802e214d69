import { handlers } from '../../../functions/handlers.ts'
import { type Method, type Route, type RouteName, routes } from '../../../functions/routes.ts'
import { limits } from '../../../shared/scim/service-provider-config.ts'
import { messageSchemas, refTo } from './message-schemas.ts'
import { type JsonSchema, resourceSchemas } from './resource-schemas.ts'

/** What the description says of one operation. The names are those of its components. */
type OperationText = {
	readonly summary: string
	readonly parameters?: readonly ParameterName[]
	readonly request?: string
	/** The component of the answer's body by status; '' if the answer has no body. */
	readonly answers: Readonly<Record<number, string>>
}

type ParameterName = keyof typeof parameters

const query = (name: string, description: string, schema: JsonSchema = { type: 'string' }) => ({
	name,
	in: 'query',
	description,
	schema,
})

const header = (name: string, description: string) => ({ name, in: 'header', description, schema: { type: 'string' } })

const parameters = {
	attributes: query('attributes', 'The attributes that the answer has, separated by commas (RFC 7644 section 3.9).'),
	excludedAttributes: query('excludedAttributes', 'The attributes that the answer leaves out, separated by commas.'),
	filter: query('filter', 'RFC 7644 section 3.4.2.2.'),
	sortBy: query('sortBy', 'RFC 7644 section 3.4.2.3.'),
	sortOrder: query('sortOrder', 'RFC 7644 section 3.4.2.3.', { enum: ['ascending', 'descending'] }),
	startIndex: query('startIndex', 'The place of the first resource in the answer, from 1.', { type: 'integer' }),
	count: query('count', `The most resources in the answer; at most ${limits.maxResults}.`, { type: 'integer' }),
	cursor: query('cursor', 'Empty for the first page, then the nextCursor of the page before (RFC 9865).'),
	snapshot: query('snapshot', 'With an empty cursor: begin with all users and groups, each as created.', {
		type: 'boolean',
	}),
	types: query('types', 'The resource types whose changes are wanted: User, Group, or both with a comma.'),
	ifMatch: header('If-Match', 'The version that the resource must still have. Otherwise the answer is 412.'),
	ifNoneMatch: header('If-None-Match', 'The version that the client has. If it is still current, the answer is 304.'),
} as const

const selection = ['attributes', 'excludedAttributes'] as const
const paging = [...selection, 'filter', 'sortBy', 'sortOrder', 'startIndex', 'count', 'cursor'] as const

const resourceTexts = (name: 'User' | 'Group'): Readonly<Partial<Record<Method, OperationText>>> => {
	const noun = name.toLowerCase()
	return {
		GET: {
			summary: `Read a ${noun}`,
			parameters: [...selection, 'ifMatch', 'ifNoneMatch'],
			answers: { 200: name, 304: '' },
		},
		PUT: {
			summary: `Replace a ${noun}`,
			parameters: [...selection, 'ifMatch'],
			request: `${name}Request`,
			answers: { 200: name },
		},
		PATCH: {
			summary: `Change a ${noun}`,
			parameters: [...selection, 'ifMatch'],
			request: 'PatchRequest',
			answers: name === 'User' ? { 200: name } : { 200: name, 204: '' },
		},
		DELETE: { summary: `Delete a ${noun}`, parameters: ['ifMatch'], answers: { 204: '' } },
	}
}

const listTexts = (name: 'User' | 'Group'): Readonly<Partial<Record<Method, OperationText>>> => {
	const noun = name.toLowerCase()
	return {
		GET: { summary: `Find ${noun}s`, parameters: paging, answers: { 200: `${name}List` } },
		POST: {
			summary: `Create a ${noun}`,
			parameters: selection,
			request: `${name}Request`,
			answers: { 201: name },
		},
	}
}

const search = (what: string, list: string): Readonly<Partial<Record<Method, OperationText>>> => ({
	POST: { summary: `Find ${what} by a search request`, request: 'SearchRequest', answers: { 200: list } },
})

const read = (summary: string, component: string): Readonly<Partial<Record<Method, OperationText>>> => ({
	GET: { summary, answers: { 200: component } },
})

/** The texts of every operation of the route table. A test compares them with the handlers. */
export const operationTexts: Readonly<Record<RouteName, Readonly<Partial<Record<Method, OperationText>>>>> = {
	bulk: {
		POST: { summary: 'Make several changes', request: 'BulkRequest', answers: { 200: 'BulkResponse' } },
	},
	changes: {
		GET: {
			summary: 'Read the feed of changes',
			parameters: ['cursor', 'count', 'snapshot', 'types'],
			answers: { 200: 'ChangeList' },
		},
	},
	dotSearch: search('users and groups', 'ResourceList'),
	dotSearchGroups: search('groups', 'GroupList'),
	dotSearchUsers: search('users', 'UserList'),
	group: resourceTexts('Group'),
	groups: listTexts('Group'),
	health: { GET: { summary: 'Check the services that requests need', answers: { 200: 'Health', 503: 'Health' } } },
	me: Object.fromEntries(
		(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).map((method) => [
			method,
			{ summary: 'Not supported: a token does not belong to a user', answers: { 501: 'Error' } },
		]),
	),
	resourceType: read('Read a resource type', 'ResourceType'),
	resourceTypes: read('Read all resource types', 'ResourceTypeList'),
	root: { GET: { summary: 'Find users and groups', parameters: paging, answers: { 200: 'ResourceList' } } },
	schema: read('Read a schema', 'Schema'),
	schemas: read('Read all schemas', 'SchemaList'),
	token: {},
	agentEnrol: {},
	agentToken: {},
	serviceProviderConfig: read('Read what the service provider supports', 'ServiceProviderConfig'),
	user: resourceTexts('User'),
	users: listTexts('User'),
}

const mediaType = 'application/scim+json'

const content = (component: string) => ({ [mediaType]: { schema: refTo(component) } })

const answerOf = (status: string, component: string) => ({
	description: `${status} ${component === '' ? 'without a body' : component}`,
	...(component !== '' && { content: content(component) }),
})

function operationObject(route: Route, method: Method, { summary, request, answers, ...text }: OperationText) {
	const references = text.parameters?.map((name) => ({ $ref: `#/components/parameters/${name}` })) ?? []
	return {
		operationId: `${method.toLowerCase()}${route.name[0]?.toUpperCase()}${route.name.slice(1)}`,
		summary,
		...(references.length > 0 && { parameters: references }),
		...(request !== undefined && { requestBody: { required: true, content: content(request) } }),
		responses: {
			...Object.fromEntries(Object.entries(answers).map(([status, name]) => [status, answerOf(status, name)])),
			default: { description: 'A refusal or a failure (RFC 7644 section 3.12).', content: content('Error') },
		},
	}
}

function pathItem(route: Route) {
	const variables = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
	const methods = Object.keys(handlers[route.name]) as Method[] // sound: the keys of a record of methods
	return {
		...(variables.length > 0 && {
			parameters: variables.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
		}),
		...Object.fromEntries(
			methods.flatMap((method) => {
				const text = operationTexts[route.name][method]
				return text === undefined ? [] : [[method.toLowerCase(), operationObject(route, method, text)]]
			}),
		),
	}
}

/** The description of all endpoints in OpenAPI 3.1, made from the route table and the declarations of the attributes. */
export const openApiDocument = (version: string) => ({
	openapi: '3.1.0',
	info: {
		title: 'Rollcall',
		version,
		description:
			'The SCIM 2.0 endpoints of one tenant (RFC 7643, RFC 7644, RFC 9865). Requests may have more than is described here: names are read in any letter case, and what a schema does not know is left out.',
		license: { name: 'MIT', identifier: 'MIT' },
	},
	servers: [
		{
			url: 'https://{host}/scim/{tenant}',
			description: 'The Tenant URL.',
			variables: { host: { default: 'localhost' }, tenant: { default: 'demo' } },
		},
	],
	security: [{ token: [] }],
	// These are no endpoints of SCIM. The metadata of the token endpoint describe it (RFC 8414).
	paths: Object.fromEntries(
		routes
			.filter(({ name }) => !['token', 'agentEnrol', 'agentToken'].includes(name))
			.map((route) => [`/${route.path}`, pathItem(route)]),
	),
	components: {
		securitySchemes: {
			token: { type: 'http', scheme: 'bearer', description: 'The Secret Token of the tenant.' },
		},
		parameters,
		schemas: { ...resourceSchemas(), ...messageSchemas() },
	},
})
