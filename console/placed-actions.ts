import type { ActionNeed } from './answers/actions.ts'

/** Where the page has an action, and what it asks for beside what the command declares. */
export type PlacedAction = {
	readonly page: 'credentials' | 'schema' | 'safety' | 'relay'
	/** What the action writes to; nothing for an action that reads. */
	readonly needs: readonly ActionNeed[]
	/** The tenants that have it. */
	readonly modes: readonly ('store' | 'relay')[]
	/** The parameter that is a document to paste, and not a file. */
	readonly document?: 'FILE'
	/** What must be typed before the action is done. */
	readonly question?: string
	/** Options that the form leaves out. */
	readonly without?: readonly string[]
	/** Options that must have a value. */
	readonly required?: readonly string[]
}

const anyMode = ['store', 'relay'] as const
const credential = { page: 'credentials', modes: anyMode } as const
const schema = { page: 'schema', modes: ['store'], needs: ['tables'] } as const
const safety = { page: 'safety', modes: ['store'] } as const
const relay = { page: 'relay', modes: ['relay'], needs: ['tables'] } as const
const [vault, tables, both] = [['tables', 'vault'], ['tables'], ['tables', 'vault']] as const

/**
 * Every command that the page runs for one tenant, by its words. Each command that changes something is here, or is a route
 * of its own: test/console/placed-actions.test.ts holds this table against the command line.
 */
export const placedActions: Readonly<Record<string, PlacedAction>> = {
	'token add': { ...credential, needs: vault },
	'token rotate': { ...credential, needs: vault },
	'token disable': { ...credential, needs: vault },
	'client add': { ...credential, needs: both },
	'client rotate': { ...credential, needs: tables },
	'client disable': { ...credential, needs: tables },
	'federation add': { ...credential, needs: both },
	'reader add': { ...credential, needs: tables },
	'key rotate': { ...credential, needs: vault },
	'connect entra': { ...credential, needs: both },
	'disconnect entra': { ...credential, needs: both },
	'entra provision': { ...credential, needs: tables },
	'entra status': { ...credential, needs: [] },
	'schema add': { ...schema, document: 'FILE' },
	'schema check': { ...schema, needs: [], document: 'FILE' },
	'schema remove': schema,
	'schema adopt': schema,
	'schema forget': schema,
	'index add': schema,
	'index remove': schema,
	'tenant set': { ...schema, modes: anyMode },
	'agent add': relay,
	'agent remove': relay,
	'agent rotate': relay,
	'guard allow': { ...safety, needs: tables, required: ['for'] },
	undo: {
		...safety,
		needs: tables,
		question: 'Type the number of people who become active again to continue',
		without: ['dry-run', 'yes', 'expect'],
	},
	export: { ...safety, needs: [], required: ['out'] },
	import: { ...safety, needs: tables },
	erase: { ...safety, modes: anyMode, needs: tables, question: 'Type the userName of the person to continue' },
	'tenant remove': {
		...safety,
		modes: anyMode,
		needs: both,
		question: 'Type the name of the tenant to continue',
		without: ['yes'],
	},
}
