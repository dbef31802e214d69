import { readAttributePath } from '../shared/scim/filter/lex.ts'
import { findExtension, resolveAttribute, typeNames } from '../shared/scim/resource-type.ts'
import { forget } from '../shared/storage/forget.ts'
import { typesOf } from '../shared/tenants/resource-types.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { TargetCommand } from './command.ts'
import { Failure } from './failure.ts'
import type { DeploymentTarget } from './target.ts'
import { storeTenantNamed } from './tenant.ts'
import { withProgress } from './transfer/progress.ts'

/**
 * Removes what is stored at an undeclared path from all resources. The removal is written into the tenant's row first, so
 * that the sweep goes on if this process is stopped.
 */
export const forgetPath: TargetCommand =
	({ args: [name = '', path = ''], environment }) =>
	async (target) => {
		const tenant = await storeTenantNamed(target, name)
		refuseDeclared(target, tenant, path)
		const begun = await target.tenants.updateForgetting(name, (all) => [
			...all.filter((each) => each.path !== path),
			{ path, position: '' },
		])
		if (begun === 'absent') throw gone(target, name)
		let [resources, changed] = [0, 0]
		await withProgress(environment, (show) =>
			forget(
				{ path, position: '' },
				{
					store: target.open(tenant),
					types: typesOf(tenant),
					now: Date.now,
					until: Number.POSITIVE_INFINITY,
					onPage: (looked, removed) => {
						resources += looked
						changed += removed
						show(0, `${resources.toLocaleString('en')} resources`)
					},
				},
			),
		)
		await target.tenants.updateForgetting(name, (all) => all.filter((each) => each.path !== path))
		const seen = (await target.observed(tenant)).filter((each) => each.path.toLowerCase() === path.toLowerCase())
		await target.forgetObserved(tenant, seen)
		return {
			text: `Removed ${path} from ${changed.toLocaleString('en')} of ${resources.toLocaleString('en')} resources.`,
			json: { name, path, resources, changed },
		}
	}

/** What a schema declares is no leftover: it may be removed only when it is declared no longer. */
function refuseDeclared(target: DeploymentTarget, tenant: Tenant, path: string): void {
	const types = typesOf(tenant)
	const parsed = readAttributePath(path, new Set())
	const isDeclared = typeNames.some(
		(name) =>
			findExtension(types[name], path) !== undefined ||
			types[name].schema.urn.toLowerCase() === path.toLowerCase() ||
			(parsed !== undefined && resolveAttribute(types[name], parsed) !== undefined),
	)
	if (!isDeclared) return
	throw new Failure(`a schema of the tenant ${tenant.name} declares ${path}`, {
		hint: `remove the schema first: ${target.commandLine(`schema list ${tenant.name}`)}`,
	})
}

const gone = (target: DeploymentTarget, name: string): Failure =>
	new Failure(`there is no tenant ${name}`, { hint: target.commandLine('tenant list') })
