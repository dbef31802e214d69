import { useLayoutEffect, useState } from 'preact/hooks'

const storageName = 'rollcall-no-shortcuts'

/**
 * Keys of the whole page: `/` goes to the search, `j` and `k` to the next and the previous entry of a list. An entry is the
 * link in the head of a row, or an element with `data-entry`. WCAG 2.1.4 wants keys without Ctrl to have a switch.
 */
export function Shortcuts() {
	const [isOn, setOn] = useState(sessionStorage.getItem(storageName) === null)
	// Before the next event: a key right after the press of the button already finds the switch as it is shown.
	useLayoutEffect(() => {
		if (!isOn) return
		addEventListener('keydown', onKey)
		return () => removeEventListener('keydown', onKey)
	}, [isOn])
	const turn = (): void => {
		if (isOn) sessionStorage.setItem(storageName, 'yes')
		else sessionStorage.removeItem(storageName)
		setOn(!isOn)
	}
	return (
		<span>
			{isOn && (
				<>
					<kbd>/</kbd> search, <kbd>j</kbd> next, <kbd>k</kbd> previous &ensp;
				</>
			)}
			<button type="button" class="small" aria-pressed={isOn} onClick={turn}>
				Shortcuts
			</button>
		</span>
	)
}

function onKey(event: KeyboardEvent): void {
	if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
	const goal = goalOf(event.key)
	if (goal === undefined) return
	event.preventDefault()
	goal.focus()
}

const isTyping = (target: EventTarget | null): boolean =>
	target instanceof HTMLElement && target.closest('input, textarea, select, dialog') !== null

function goalOf(key: string): HTMLElement | undefined {
	if (key === '/') return document.querySelector<HTMLElement>('main input[type=search]') ?? undefined
	if (key !== 'j' && key !== 'k') return undefined
	const entries = [...document.querySelectorAll<HTMLElement>('main tbody th a, main [data-entry]')]
	const at = entries.findIndex((entry) => entry.contains(document.activeElement))
	return key === 'j' ? entries[at + 1] : entries[at - 1]
}
