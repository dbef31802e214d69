import * as z from 'zod'
import { nearlyNamed } from '../shared/scim/nearest.ts'
import { scimMethods } from './method.ts'

/** Endpoints that RFC 7644 section 3.2 names. An SCIM server may have others, for resource types of its own. */
const knownEndpoints = ['Users', 'Groups', 'Schemas', 'ResourceTypes', 'ServiceProviderConfig']

/** Endpoints and the methods that may reach each. All other requests are refused. */
export const allowSchema = z
	.record(z.string(), z.array(z.enum(scimMethods)).min(1, { message: 'must list a method, such as GET' }))
	.refine((list) => Object.keys(list).length > 0, { message: 'must list an endpoint, such as "Users": ["GET"]' })
	.superRefine((list, context) => {
		for (const name of Object.keys(list)) {
			const message = nameProblem(name)
			if (message !== undefined) context.addIssue({ code: 'custom', path: [name], message })
		}
	})

type AllowList = z.infer<typeof allowSchema>

function nameProblem(name: string): string | undefined {
	if (/^(bulk|me)$/i.test(name)) return 'cannot be listed, because its requests may touch every resource type'
	if (!/^[A-Za-z][\w-]{0,39}$/.test(name)) return 'must be the name of an endpoint, such as Users'
	if (knownEndpoints.includes(name)) return undefined
	const meant =
		knownEndpoints.find((known) => known.toLowerCase() === name.toLowerCase()) ?? nearlyNamed(name, knownEndpoints)
	return meant === undefined ? undefined : `is not an endpoint of SCIM; write ${meant}`
}

type CheckedRequest = {
	readonly method: string
	/** Path and query below the root of the SCIM server. `originTarget` has accepted them. */
	readonly target: string
	readonly contentType: string | undefined
}

/**
 * Why the list refuses a request, as a clause; undefined if the list allows the request. Names are compared as they
 * arrived. Another case or an escape is another name for some servers, and therefore refused.
 */
export function disallowed(list: AllowList, { method, target, contentType }: CheckedRequest): string | undefined {
	const [path = '', query = ''] = target.split('?', 2)
	const [endpoint = '', id, ...deeper] = path.replace(/^\//, '').replace(/\/$/, '').split('/')
	const allowed: readonly string[] = Object.hasOwn(list, endpoint) ? (list[endpoint] ?? []) : []
	if (allowed.length === 0) return because('lists no such endpoint')
	if (!allowed.includes(method)) return because(`lists no ${method} for ${endpoint}`)
	if (deeper.length > 0) return because('covers an endpoint and its resources, and no paths below a resource')
	if (method === 'POST' && id !== undefined) {
		if (id !== '.search') return because('covers POST to an endpoint and to its .search alone')
		// RFC 7644 section 3.4.3: a search reads.
		if (!allowed.includes('GET')) return because(`lists no GET for ${endpoint}, and a search reads`)
	}
	if (hasOverride(query)) return because('accepts no query that names another method')
	if (method !== 'GET' && contentType !== undefined && !isJson.test(contentType))
		return because('accepts no body but JSON')
	return undefined
}

const because = (reason: string): string => `its settings refuse the request, because the setting allow ${reason}`

/** A form may name another method, which some web frameworks carry out instead of POST. */
const isJson = /^application\/(scim\+)?json\s*(;[^,]*)?$/i

/**
 * Whether a query names another method, which some web frameworks carry out instead of POST.
 * https://symfony.com/doc/current/reference/configuration/framework.html#http-method-override
 */
const hasOverride = (query: string): boolean =>
	query.split(/[&;]/).some((part) => /^(_method|x-http-method(-override)?)$/i.test(nameOf(part)))

function nameOf(part: string): string {
	const [name = ''] = part.replaceAll('+', ' ').split('=', 1)
	try {
		return decodeURIComponent(name).trim()
	} catch (error) {
		if (error instanceof URIError) return name
		throw error
	}
}
