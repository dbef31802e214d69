import * as z from 'zod'
import { Failure } from '../cli/failure.ts'
import { carryOut, hasSteps, planJson, reasons, requireExpected, resultInWords } from '../cli/undo.ts'
import type { LeftAsItIs, UndoPlan } from '../shared/storage/ledger/undo-plan.ts'
import { undoKinds } from '../shared/storage/ledger/undo-window.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { ConsoleError } from './answer.ts'
import type { UndoDone, UndoPreview } from './answers/undo-change.ts'
import { type ConsoleContext, tenantRoute } from './route.ts'

const place = { operation: z.string().regex(/^[0-9a-f]{32}$/), epoch: z.string().regex(/^[0-9a-f]{12}$/) }

/** Taking back one change of one person or group. */
export const undoChangeRoutes = [
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/resources/{id}/undo',
		handle: async ({ tenant, params, query }, context) => {
			const change = z.object(place).safeParse(Object.fromEntries(query)).data
			if (change === undefined) throw new ConsoleError('the address names no change', { status: 400 })
			return previewOf(await planFor(context, tenant, { resource: params.id, change }))
		},
	}),
	tenantRoute({
		method: 'POST',
		path: '/tenants/{tenant}/resources/{id}/undo',
		command: 'undo',
		body: z.strictObject({ ...place, expected: z.int().min(0) }),
		handle: async ({ tenant, params, body: { expected, ...change } }, context): Promise<UndoDone> => {
			const plan = await planFor(context, tenant, { resource: params.id, change })
			if (!hasSteps(plan))
				throw new Failure('nothing was undone: there is nothing to take back', { hint: 'reload the page' })
			requireExpected(plan, expected)
			const result = await carryOut(context.target, tenant, plan)
			return { text: resultInWords(result), left: leftInWords(result.left) }
		},
	}),
]

type UndoneChange = {
	readonly resource: string
	readonly change: { readonly operation: string; readonly epoch: string }
}

async function planFor({ target }: ConsoleContext, tenant: Tenant, undone: UndoneChange): Promise<UndoPlan> {
	if (tenant.mode === 'relay')
		throw new ConsoleError(`the tenant ${tenant.name} has no directory in Rollcall`, { status: 409 })
	const anyTime = { since: 0, until: Number.POSITIVE_INFINITY }
	return target.ledger(tenant).planUndo({ ...anyTime, ...undone, only: undoKinds, isForced: false })
}

function previewOf(plan: UndoPlan): UndoPreview {
	const { activated, kinds } = planJson('', plan)
	return {
		activated,
		kinds: kinds.filter(({ count }) => count > 0).map(({ title, names }) => ({ title, names })),
		left: leftInWords(plan.left),
		isPossible: hasSteps(plan),
	}
}

const leftInWords = (left: readonly LeftAsItIs[]): UndoPreview['left'] =>
	left.map(({ name, reason }) => ({ name, reason: reasons[reason].replace('run the command again', 'try again') }))
