import { missingRole } from '../cli/explain.ts'
import type { DeploymentTarget } from '../cli/target.ts'
import type { WriteAccess } from './answers/actions.ts'
import { type ConsoleContext, route } from './route.ts'

/** What the operator may not write, so that the page says it beside its buttons. */
export const accessRoutes = [
	route({
		method: 'GET',
		path: '/access',
		handle: (_, { target, now }) => rememberedAccess(target, now()),
	}),
]

/** For this time, in milliseconds, Azure is not asked again. A new role takes minutes to work anyway. */
const rememberedFor = 30_000

type RememberedAccess = { readonly access: Promise<WriteAccess>; readonly until: number }

const remembered = new WeakMap<DeploymentTarget, RememberedAccess>()

function rememberedAccess(target: ConsoleContext['target'], now: number): Promise<WriteAccess> {
	const known = remembered.get(target)
	if (known !== undefined && now < known.until) return known.access
	const access = writeAccess(target)
	remembered.set(target, { access, until: now + rememberedFor })
	return access
}

async function writeAccess(target: DeploymentTarget): Promise<WriteAccess> {
	const [tables, vault] = await Promise.all([refusalOf(target.tryWriting()), refusalOf(target.tokens.tryWriting())])
	return { ...(tables !== undefined && { tables }), ...(vault !== undefined && { vault }) }
}

/** Undefined also in an outage: then the action itself says what is wrong. */
const refusalOf = (tried: Promise<void>): Promise<string | undefined> => tried.then(() => undefined, missingRole)
