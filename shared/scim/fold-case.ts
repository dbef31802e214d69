/**
 * The form in which strings are compared where letter case does not count: `É` written in one character or in two,
 * upper or lower case, is one and the same. NFC comes last because lower case alone can leave a string decomposed.
 */
export const foldCase = (value: string): string => value.toLowerCase().normalize('NFC')

/** The form in which strings are compared where letter case counts. */
export const keepCase = (value: string): string => value.normalize('NFC')
