import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { builtInTypes } from '../../../shared/scim/resource-type.ts'
import { useHost } from '../../support/host.ts'

type Shape = {
	readonly name: string
	/** The page or the report that has this shape. */
	readonly source?: string
	/** Whether the tenant has the schemas of the file. */
	readonly declared?: true
	/** What is stored of the user before the request. */
	readonly before?: Readonly<Record<string, unknown>>
	readonly request: {
		readonly method: string
		readonly path: string
		readonly body: Readonly<Record<string, unknown>>
	}
	readonly answers: Readonly<Record<Rule, Answer>>
}

type Rule = 'keep' | 'ignore' | 'reject'

type Answer = {
	readonly status: number
	readonly detail?: string
	/** What storage has of the user after the request; null if the user was not created. */
	readonly stored: unknown
	/** What a GET returns of it, without `schemas`, `id` and `meta`. */
	readonly shown: unknown
}

const file = new URL('./shapes.json', import.meta.url)
const { declared, shapes }: { declared: unknown; shapes: readonly Shape[] } = JSON.parse(readFileSync(file, 'utf8'))
const rules = ['keep', 'ignore', 'reject'] as const
const host = useHost()

const withoutFacts = ({ schemas, id, meta, ...attributes }: Readonly<Record<string, unknown>>) => attributes

async function answerTo({ before, request, declared: isDeclared }: Shape, rule: Rule): Promise<Answer> {
	const tenant = await host({
		settings: { unknownAttributes: rule },
		...(isDeclared && { schemas: declared }),
	})
	const store = await tenant.directory()
	const user = before && (await store.create(builtInTypes.User, { attributes: before }))
	const { '<as read>': isAsRead, ...sent } = request.body
	const read = isAsRead ? (await tenant.request('GET', `/Users/${user?.id}`)).body : {}
	const path = request.path.replace('<id>', user?.id ?? '')
	const { status, body } = await tenant.request(request.method, path, { body: { ...read, ...sent } })
	const id = user?.id ?? body.id
	const after = id === undefined ? undefined : await store.get(builtInTypes.User, id)
	const got = after && (await tenant.request('GET', `/Users/${id}`))
	if (status < 300) expect(got?.body).toEqual(body)
	expect(JSON.stringify([after, got?.body])).not.toContain('sesame')
	return {
		status,
		...(body.detail !== undefined && { detail: body.detail }),
		stored: after?.attributes ?? null,
		shown: got === undefined ? null : withoutFacts(got.body),
	}
}

describe.each(shapes)('$name', (shape) => {
	it.each(rules)('under %s', async (rule) => {
		const answer = await answerTo(shape, rule)
		if (process.env.RECORD !== undefined) record(shape, rule, answer)
		else expect(answer).toEqual(shape.answers[rule])
	})
})

it('has at least 24 shapes, each under three settings', () => {
	expect(shapes.length).toBeGreaterThanOrEqual(24)
	expect(new Set(shapes.map(({ name }) => name)).size).toBe(shapes.length)
})

/** Writes an answer into the file. Read the difference before you commit it. */
function record(shape: Shape, rule: Rule, answer: Answer): void {
	Object.assign(shape, { answers: { ...shape.answers, [rule]: answer } })
	writeFileSync(file, `${JSON.stringify({ declared, shapes }, null, 2)}\n`)
}
