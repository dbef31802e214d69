import type { ComponentChildren } from 'preact'

/** A column by its name. One with `isUnseen` has a name for screen readers alone. */
export type TableColumn =
	| string
	| { readonly name: string; readonly class?: string | undefined; readonly isUnseen?: boolean | undefined }

/** The column of the buttons of a row. */
export const rowButtons: TableColumn = { name: 'What to do', isUnseen: true }

/** A column of numbers, which stand below each other. */
export const numberColumn = (name: string): TableColumn => ({ name, class: 'number' })

type TableProps = {
	readonly columns: readonly TableColumn[]
	readonly class?: string
	/** The rows. */
	readonly children: ComponentChildren
}

/** A table with a line of columns. It scrolls by itself if the window is narrow. */
export function Table({ columns, children, ...more }: TableProps) {
	return (
		<div class="wide">
			<table class={more.class}>
				<thead>
					<tr>{columns.map(ColumnHead)}</tr>
				</thead>
				<tbody>{children}</tbody>
			</table>
		</div>
	)
}

function ColumnHead(column: TableColumn) {
	const { name, isUnseen, ...more } = typeof column === 'string' ? { name: column } : column
	return (
		<th key={name} scope="col" class={more.class}>
			{isUnseen ? <span class="unseen">{name}</span> : name}
		</th>
	)
}
