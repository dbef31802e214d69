import { normalForm } from './normal-form.ts'

/**
 * The form in which strings are compared without regard to letter case. `É` and `é` are equal, whether they are written
 * as one character or two. NFC comes last because lower case alone can leave a string decomposed.
 */
export const foldCase = (value: string): string => normalForm(value.toLowerCase())

/** The form in which strings are compared if letter case counts. */
export const keepCase = (value: string): string => normalForm(value)
