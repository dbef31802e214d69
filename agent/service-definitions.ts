import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export type ServiceDefinition = { readonly id: string; readonly text: string }

/** The definitions of the services of this program in a folder: `rollcall-relay.service`, `rollcall-relay-hr.service`. */
export function definitionsIn(folder: string, ending: '.service' | '.xml'): readonly ServiceDefinition[] {
	return namesIn(folder)
		.filter((file) => file.endsWith(ending))
		.map((file) => file.slice(0, -ending.length))
		.filter((id) => /^rollcall-relay(-[a-z0-9-]+)?$/.test(id))
		.flatMap((id) => definition(join(folder, `${id}${ending}`), id))
}

function namesIn(folder: string): readonly string[] {
	try {
		return readdirSync(folder)
	} catch (error) {
		if (error instanceof Error) return []
		throw error
	}
}

function definition(file: string, id: string): readonly ServiceDefinition[] {
	try {
		return [{ id, text: readFileSync(file, 'utf8') }]
	} catch (error) {
		if (error instanceof Error) return []
		throw error
	}
}
