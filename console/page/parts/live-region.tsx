import { useEffect, useState } from 'preact/hooks'

let say: (text: string) => void = () => {}

/** Lets screen readers say a sentence when they have finished the one before. */
export const announce = (text: string): void => say(text)

/** What `announce` fills. The page has it once. */
export function LiveRegion() {
	const [text, setText] = useState('')
	useEffect(() => {
		say = setText
		return () => {
			say = () => {}
		}
	}, [])
	return (
		<div class="unseen" role="status" aria-live="polite">
			{text}
		</div>
	)
}
