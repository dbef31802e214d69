import { type ComponentChildren, createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { About } from '../../answers/about.ts'
import { useAnswer } from '../use-answer.ts'
import { Loaded } from './states.tsx'

const AboutContext = createContext<About>({ place: '', version: '' })

/** What the console works on, and the role that the operator lacks. */
export const useAbout = (): About => useContext(AboutContext)

/** Asks once, before any page is shown. */
export function WithAbout({ children }: { readonly children: ComponentChildren }) {
	const answer = useAnswer<About>('/about')
	return (
		<Loaded answer={answer} show={(about) => <AboutContext.Provider value={about}>{children}</AboutContext.Provider>} />
	)
}
