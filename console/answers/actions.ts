// What the server answers about actions, and what the page reads. An action is a command of `rollcall`: the page makes its
// form of the words, the parameters and the options that the command declares.

/** One field of a form. */
export type ActionField = {
	/** The name of the option or of the parameter, such as `overlap` or `VERSION`. */
	readonly name: string
	/** `flag` is true or false, `document` a text of many lines. */
	readonly kind: 'text' | 'choice' | 'flag' | 'document'
	/** What the command line says about it. */
	readonly help: string
	/** What the command line shows for its value, such as `TIME`. */
	readonly placeholder: string
	readonly choices: readonly string[]
	readonly isRequired: boolean
}

/** The form of an action. */
export type ActionForm = {
	/** The words of the command, such as `token add`. */
	readonly words: string
	/** What the command line says about the command. */
	readonly summary: string
	readonly fields: readonly ActionField[]
	/** What must be typed before the action is done; undefined if nothing is asked. */
	readonly question?: string
	/** What the action writes to. */
	readonly needs: readonly ActionNeed[]
}

/** `tables` is the storage account, `vault` the tokens and keys. */
export type ActionNeed = 'tables' | 'vault'

export type ActionForms = { readonly forms: readonly ActionForm[] }

/** Why the operator may not write, in a sentence that names the missing role. A place that may be written is missing. */
export type WriteAccess = { readonly [need in ActionNeed]?: string }

/** The values of the fields of a form, by the names of the fields. */
export type FieldValues = Readonly<Record<string, string | boolean>>

/** An action that was started. The last state is told once. */
export type ActionState = { readonly id: string; readonly words: string } & (
	| {
			readonly state: 'running'
			/** The part that is done, from 0 to 1; 0 if it is not known. */
			readonly done: number
			readonly progress: string
			readonly notes: readonly string[]
	  }
	| ActionOutcome
)

/** How an action ended. */
export type ActionOutcome =
	| {
			readonly state: 'done'
			/** Whether the command line would exit with 1, such as an import with conflicts. */
			readonly isFailure: boolean
			/** What the command line prints. */
			readonly text: string
			/** What the command line prints with --json. */
			readonly json: unknown
			readonly notes: readonly string[]
	  }
	| { readonly state: 'refused'; readonly error: string; readonly hint?: string }

/** An action of a tenant that runs, or whose end was not told yet. It has nothing of the end. */
export type ActionGlance = {
	readonly id: string
	readonly words: string
	readonly isOver: boolean
	readonly done: number
	readonly progress: string
}

export type ActionGlances = { readonly actions: readonly ActionGlance[] }
