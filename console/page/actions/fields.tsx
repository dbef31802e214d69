import type { ActionField, FieldValues } from '../../answers/actions.ts'

type FieldProps = {
	readonly field: ActionField
	readonly value: string | boolean | undefined
	/** What makes the ids of the fields differ from those of another form. */
	readonly form: string
	readonly onChange: (value: string | boolean) => void
}

/** @example labelOf('expires-in') // 'Expires in' */
export function labelOf(name: string): string {
	const words = name.replace(/[-_]/g, ' ').toLowerCase()
	return `${words.charAt(0).toUpperCase()}${words.slice(1)}`
}

/** One field of a form, with what the command line says about it. */
export function Field(props: FieldProps) {
	const { field, form } = props
	const id = `${form}-${field.name}`.replace(/\W+/g, '-')
	const hint = `${id}-hint`
	if (field.kind === 'flag') {
		return (
			<div class="field flag">
				<input
					id={id}
					type="checkbox"
					checked={props.value === true}
					aria-describedby={hint}
					onChange={(event) => props.onChange(event.currentTarget.checked)}
				/>
				<label for={id}>{labelOf(field.name)}</label>
				<p class="hint" id={hint}>
					{field.help}
				</p>
			</div>
		)
	}
	return (
		<div class="field">
			<label for={id}>{labelOf(field.name)}</label>
			<Input {...props} id={id} hint={hint} />
			<p class="hint" id={hint}>
				{field.help}
			</p>
		</div>
	)
}

function Input({ field, value = '', onChange, id, hint }: FieldProps & { readonly id: string; readonly hint: string }) {
	const shared = { id, name: field.name, required: field.isRequired, 'aria-describedby': hint }
	const text = String(value)
	if (field.kind === 'document') {
		return (
			<textarea
				{...shared}
				rows={12}
				spellcheck={false}
				value={text}
				onInput={(event) => onChange(event.currentTarget.value)}
			/>
		)
	}
	if (field.kind === 'choice') {
		return (
			<select {...shared} value={text} onChange={(event) => onChange(event.currentTarget.value)}>
				<option value="">default</option>
				{field.choices.map((choice) => (
					<option key={choice} value={choice}>
						{choice}
					</option>
				))}
			</select>
		)
	}
	return (
		<input
			{...shared}
			type="text"
			autocomplete="off"
			spellcheck={false}
			placeholder={field.placeholder}
			value={text}
			onInput={(event) => onChange(event.currentTarget.value)}
		/>
	)
}

/** What must be typed before an action is done. */
export function Question({
	question,
	value,
	onChange,
}: {
	readonly question: string
	readonly value: string
	readonly onChange: (value: string) => void
}) {
	return (
		<div class="field">
			<label for="answer">{question}</label>
			<input
				id="answer"
				name="answer"
				type="text"
				autocomplete="off"
				spellcheck={false}
				required
				value={value}
				onInput={(event) => onChange(event.currentTarget.value)}
			/>
		</div>
	)
}

/** The values of the fields that a form shows, without empty ones. */
export const filled = (values: FieldValues): FieldValues =>
	Object.fromEntries(Object.entries(values).filter(([, value]) => value !== '' && value !== false))
