import { readFile } from 'node:fs/promises'
import { codeOf } from '../shared/cli/usage-error.ts'
import { ConsoleError } from './answer.ts'
import { type DocText, isDocPath } from './answers/docs.ts'
import { builtFolder } from './files.ts'
import { type ConsoleContext, route } from './route.ts'

/** The pages of the documentation, which the build puts beside the page. */
export const docRoutes = [
	route({ method: 'GET', path: '/docs/{page}', handle: ({ params: { page } }, context) => docText(page, context) }),
]

/** @throws ConsoleError 404 if there is no such page */
async function docText(path: string, { page }: ConsoleContext): Promise<DocText> {
	if (!isDocPath(path)) throw noPage(path)
	try {
		return { text: await readFile(new URL(path, builtFolder(page)), 'utf8') }
	} catch (error) {
		if (codeOf(error) === 'ENOENT') throw noPage(path)
		throw error
	}
}

const noPage = (path: string): ConsoleError =>
	new ConsoleError(`the documentation has no page ${path}`, { status: 404 })
