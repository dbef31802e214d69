import type * as z from 'zod'
import type { DeploymentTarget } from '../cli/target.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'

/** What every handler of the console works on. */
export type ConsoleContext = {
	readonly target: DeploymentTarget
	/** Where the tenants are, in words, such as `the folder /home/joy/rollcall/data`. */
	readonly place: string
	/** Milliseconds since 1970. */
	readonly now: () => number
	/** The folder of the built page, if it is not in its usual place. */
	readonly page?: URL
}

/** An endpoint of the console's API. `route` and `tenantRoute` make it. */
export type ConsoleRoute = {
	readonly method: ConsoleMethod
	/** Below `/console/api`, such as `/tenants/{tenant}/failures`. */
	readonly path: string
	/** The command of `rollcall` that does the same. A route that changes something has one, and is recorded under it. */
	readonly command?: string
	/** The name of the tenant that the body names, for a route that makes one. */
	nameIn?(body: unknown): string
	/** The shape of the body; undefined for a route without one. */
	readonly body?: z.ZodType
	/** The answer, which is sent as JSON. Undefined is sent as 204. */
	answer(request: ConsoleRequest, context: ConsoleContext): Promise<unknown>
}

export type ConsoleMethod = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** A request whose session is open and whose body has the shape that the route declares. */
export type ConsoleRequest = {
	readonly params: Readonly<Record<string, string>>
	readonly query: URLSearchParams
	readonly body: unknown
	/** The tenant that the path names, if the path names one. */
	readonly tenant: Tenant | undefined
}

/** The names in the braces of a path, with their values. */
export type ParamsOf<Path> = Path extends `${string}{${infer Name}}${infer Rest}`
	? { readonly [Key in Name]: string } & ParamsOf<Rest>
	: unknown

type RouteDraft<Path extends string, Body> = Pick<ConsoleRoute, 'method' | 'command'> & {
	readonly path: Path
	readonly body?: z.ZodType<Body>
}

export type RouteRequest<Path, Body> = {
	readonly params: ParamsOf<Path>
	readonly query: URLSearchParams
	readonly body: Body
}

/** A route that is for no tenant. */
export function route<Path extends string, Body = undefined>({
	handle,
	nameIn,
	...draft
}: RouteDraft<Path, Body> & {
	nameIn?(body: Body): string
	handle(request: RouteRequest<Path, Body>, context: ConsoleContext): Promise<unknown>
}): ConsoleRoute {
	return {
		...draft,
		// sound: the router has parsed the body
		...(nameIn !== undefined && { nameIn: (body: unknown) => nameIn(body as Body) }),
		// sound: the router fills in the names of the path, and has parsed the body
		answer: ({ params, query, body }, context) =>
			handle({ params: params as ParamsOf<Path>, query, body: body as Body }, context),
	}
}

/** A route of one tenant. The answer is 404 if there is no such tenant. */
export function tenantRoute<Path extends `/tenants/{tenant}${string}`, Body = undefined>({
	handle,
	...draft
}: RouteDraft<Path, Body> & {
	handle(request: RouteRequest<Path, Body> & { readonly tenant: Tenant }, context: ConsoleContext): Promise<unknown>
}): ConsoleRoute {
	return {
		...draft,
		answer({ params, query, body, tenant }, context) {
			if (tenant === undefined) throw new Error(`the path ${draft.path} names a tenant`)
			// sound: the router fills in the names of the path, and has parsed the body
			return handle({ params: params as ParamsOf<Path>, query, body: body as Body, tenant }, context)
		},
	}
}

/** A route with the values of its path. */
export type RouteMatch = { readonly route: ConsoleRoute; readonly params: Readonly<Record<string, string>> }

/** The route of a request, or the methods that the path has. Each part of a path is decoded. */
export function matchRoute(
	routes: readonly ConsoleRoute[],
	{ method, path }: { readonly method: string; readonly path: string },
): RouteMatch | { readonly allowed: readonly ConsoleMethod[] } {
	const fitting = routes.flatMap((each) => {
		const params = paramsIn(each.path, path)
		return params === undefined ? [] : [{ route: each, params }]
	})
	return (
		fitting.find((match) => match.route.method === method) ?? { allowed: fitting.map((match) => match.route.method) }
	)
}

function paramsIn(template: string, path: string): Readonly<Record<string, string>> | undefined {
	const names = template.split('/')
	const parts = path.split('/')
	if (names.length !== parts.length) return undefined
	const params: Record<string, string> = {}
	for (const [index, name] of names.entries()) {
		const value = decoded(parts[index] ?? '')
		const param = /^\{(\w+)\}$/.exec(name)?.[1]
		if (value === undefined || (param === undefined ? value !== name : value === '')) return undefined
		if (param !== undefined) params[param] = value
	}
	return params
}

function decoded(part: string): string | undefined {
	try {
		return decodeURIComponent(part)
	} catch (error) {
		if (error instanceof URIError) return undefined
		throw error
	}
}
