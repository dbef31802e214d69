import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** The first line of an input that is not blank; an empty text if there is none. A terminal is asked first. */
export async function readInput(input: Readable & { readonly isTTY?: boolean }, ask: () => void): Promise<string> {
	if (input.isTTY) ask()
	for await (const line of createInterface({ input })) if (line.trim() !== '') return line.trim()
	return ''
}
