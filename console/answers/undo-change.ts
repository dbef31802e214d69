// What the server answers about taking back one change, and what the page reads.

/** What would come back. */
export type UndoPreview = {
	/** How many people become active again. */
	readonly activated: number
	readonly kinds: readonly { readonly title: string; readonly names: readonly string[] }[]
	/** What stays as it is, with the reason. */
	readonly left: readonly { readonly name: string; readonly reason: string }[]
	/** Whether there is something to take back. */
	readonly isPossible: boolean
}

export type UndoDone = {
	readonly text: string
	readonly left: UndoPreview['left']
}
